#!/bin/sh
# Speaks every line of samples.yaml into a WAV file of its name: 8 kHz, mono, G.711 mu-law, as a phone line carries it.
# What callers say also becomes a voice note, Opus in Ogg. Without arguments all lines, else those that are named.
# Needs espeak-ng, sox and opus-tools. The files are committed; this is for changing them.
set -eu
cd "$(dirname "$0")"
spoken=$(mktemp --suffix=.wav)
trap 'rm -f "$spoken"' EXIT

sed -n 's/^- {id: \([^,]*\), speaker: \([^,]*\), language: [^,]*, voice: \([^,]*\), text: "\(.*\)"}$/\1|\2|\3|\4/p' samples.yaml |
while IFS='|' read -r id speaker voice text; do
  if [ $# -gt 0 ]; then case " $* " in *" $id "*) ;; *) continue ;; esac; fi
  # Callers speak a little faster than the agent, and lower, so that the two are told apart by ear.
  if [ "$speaker" = caller ]; then speed=170; level=-6; else speed=165; level=-4; fi
  espeak-ng -v "$voice" -s "$speed" -g 0 -w "$spoken" -- "$text" </dev/null
  # Trimmed to the words, limited to the telephone band, with a pause of 350 ms at most between sentences:
  # a longer one would end the caller's turn in the middle of it.
  sox -R "$spoken" -c 1 -r 8000 -e mu-law "$id.wav" \
    gain -n "$level" sinc 200-3400 \
    silence -l 1 0.02 0.8% -1 0.30 0.8%
  # A fixed serial number and no tags: the same line gives the same bytes.
  if [ "$speaker" = caller ]; then
    sox "$id.wav" -e signed-integer -b 16 "$spoken"
    opusenc --quiet --speech --bitrate 16 --serial 1 --discard-comments "$spoken" "$id.ogg" </dev/null
  fi
done
