#!/bin/sh
# Makes the recordings of the languages that say `wav:` in sentences.yaml: 8 kHz mu-law WAV, from the text there.
# Needs espeak-ng (whose voice is named as the language) and sox. Run it after changing one of those texts.
set -eu
cd "$(dirname "$0")"
mkdir -p wav

awk '
  /^[a-z]+:/            { wav = "" }
  /^  wav: /            { wav = $2 }
  /^    [a-zA-Z]+: "/   { if (wav != "") { key = $1; sub(/:$/, "", key); text = $0; sub(/^[^"]*"/, "", text); sub(/"$/, "", text)
                          print wav "\t" key "\t" text } }
' sentences.yaml | while IFS="$(printf '\t')" read -r voice key text; do
  espeak-ng -v "$voice" -s 150 --stdout "$text" </dev/null | sox -D -t wav - -r 8000 -c 1 -e u-law "wav/$voice-$key.wav" gain -1
done

ls -l wav
