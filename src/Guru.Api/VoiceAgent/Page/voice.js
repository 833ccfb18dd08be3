// The page around a call: buttons, captions, and what to tell when something goes wrong.
import { GuruCall } from '/voice/guru-call.js';

const $ = id => document.getElementById(id);
let call;

// A backend that opens this page can hand the token over in the fragment, which no server sees.
$('token').value = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
history.replaceState(null, '', location.pathname);

$('start').addEventListener('submit', event => { event.preventDefault(); connect(); });
$('mute').addEventListener('click', () => mute($('mute').getAttribute('aria-pressed') !== 'true'));
$('hangup').addEventListener('click', () => { call.hangUp(); over('You hung up.'); });
addEventListener('pagehide', () => call?.hangUp());

async function connect() {
  $('problem').textContent = '';
  $('captions').replaceChildren();
  $('call').disabled = true;
  status('Connecting …');
  call = new GuruCall($('token').value.trim());
  call.addEventListener('agent', e => showAgent(e.detail.agent));
  call.addEventListener('words', e => showWords(e.detail));
  call.addEventListener('utterance', e => showTurn(e.detail));
  call.addEventListener('ended', e => over(ENDINGS[e.detail.reason] ?? 'The call is over.'));
  try {
    await call.connect($('audio'));
    $('start').hidden = true;
    $('controls').hidden = false;
    $('mute').focus();
    status('Connected. Speak now.');
  } catch (error) {
    over('Not connected.');
    $('problem').textContent = explain(error);
  }
}

function mute(muted) {
  call.muted = muted;
  $('mute').setAttribute('aria-pressed', muted);
  status(muted ? 'Your microphone is muted.' : 'Your microphone is on.');
}

function over(text) {
  if ($('controls').contains(document.activeElement)) { setTimeout(() => $('call').focus()); }
  $('start').hidden = false;
  $('controls').hidden = true;
  $('mute').setAttribute('aria-pressed', false);
  $('call').disabled = false;
  $('agent').hidden = true;
  $('speaking').textContent = '';
  status(text);
}

function status(text) { $('status').textContent = text; }

function showAgent(agent) {
  $('agent-name').textContent = agent;
  $('agent').hidden = false;
}

function showWords({ id, text }) {
  const line = $('speaking');
  if (line.dataset.id !== id) { line.dataset.id = id; line.textContent = ''; }
  line.textContent += text;
}

function showTurn(turn) {
  if ($('speaking').dataset.id === turn.id) { $('speaking').textContent = ''; }
  if (!turn.heard || document.querySelector(`[data-id="${CSS.escape(turn.id)}"]:not(#speaking)`)) { return; }
  const line = document.createElement('li');
  line.dataset.id = turn.id;
  line.dataset.startMs = turn.startMs;
  line.append(element('span', 'speaker', turn.speaker === 'caller' ? 'You: ' : `Guru (${turn.agent}): `));
  line.append(element('span', 'words', turn.heard));
  if (turn.interrupted) { line.append(element('span', 'cut', ' (interrupted)')); }
  const lines = [...$('captions').children];
  $('captions').insertBefore(line, lines.find(other => Number(other.dataset.startMs) > turn.startMs) ?? null);
  line.scrollIntoView({ block: 'nearest' });
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  made.dir = 'auto';
  return made;
}

function explain(error) {
  if (!navigator.mediaDevices) { return 'This page needs https to use the microphone.'; }
  return {
    NotAllowedError: 'The microphone is blocked. Allow it for this page in the browser’s settings, then call again.',
    NotFoundError: 'No microphone was found. Connect one, then call again.',
    NotReadableError: 'Another program is using the microphone. Close it, then call again.',
    ConnectionError: 'The audio could not get through. A firewall or VPN may block it; try another network.',
    Problem: `${error.message}${error.status === 401 ? ' Get a new token.' : error.retryAfter ? ` Try again in ${error.retryAfter} seconds.` : ''}`,
    TypeError: 'Guru cannot be reached. Check your connection, then call again.',
  }[error.name] ?? `The call could not be made (${error.name}).`;
}

const ENDINGS = {
  callerHungUp: 'You hung up.',
  agentEnded: 'The call is over.',
  silence: 'The call ended because nobody spoke.',
  maxDuration: 'The call reached its longest duration.',
  modelUnavailable: 'The advisor is not available at the moment. Please call again later.',
  shuttingDown: 'The call ended for maintenance. Please call again in a few minutes.',
  streamLost: 'The connection was lost.',
};
