// A call with Guru's advisor. Copy this file into your webapp: it needs nothing else.
//
//   const call = new GuruCall(token, { base: 'https://guru.example.org' });
//   call.addEventListener('utterance', e => console.log(e.detail.speaker, e.detail.heard));
//   await call.connect(document.querySelector('audio'));
//
// Events, each with its data in detail: agent {agent}, words {id, text}, utterance {id, speaker, agent, said, heard, interrupted, startMs},
// ended {reason}. docs/webapp.md says what they mean.

const CONNECT_MS = 20_000;
const RELISTEN_MS = 1_000;

export class GuruCall extends EventTarget {
  #token; #base; #connection; #microphone; #url; #over = false; #listening = new AbortController();

  constructor(token, { base = '' } = {}) {
    super();
    this.#token = token;
    this.#base = base;
  }

  /** Resolves when both sides can hear each other. Throws what getUserMedia throws, a Problem, or an Error named ConnectionError. */
  async connect(audio) {
    try {
      this.#microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
      this.#connection = new RTCPeerConnection();
      this.#connection.ontrack = e => { audio.srcObject = e.streams[0]; };
      this.#microphone.getTracks().forEach(track => this.#connection.addTrack(track, this.#microphone));
      this.#connection.createDataChannel('oai-events'); // The model's side expects it.
      await this.#connection.setLocalDescription();

      const answer = await this.#ask('/api/voice-agent/calls', {
        method: 'POST', body: this.#connection.localDescription.sdp, headers: { 'Content-Type': 'application/sdp' },
      });
      this.#url = answer.headers.get('Location');
      await this.#connection.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
      await this.#connected();
      this.#listen(); // From now on the agent speaks, and a page that is gone has left the call.
    } catch (error) {
      this.hangUp();
      throw error;
    }
  }

  set muted(muted) {
    this.#microphone?.getAudioTracks().forEach(track => { track.enabled = !muted; });
  }

  /** Also when the page goes away: the request outlives it. */
  hangUp() {
    if (this.#url && !this.#over) {
      this.#ask(this.#url, { method: 'DELETE', keepalive: true }).catch(() => {});
    }
    this.#release();
  }

  #release() {
    this.#over = true;
    this.#microphone?.getTracks().forEach(track => track.stop());
    this.#connection?.close();
  }

  #connected() {
    return new Promise((resolve, reject) => {
      const fail = () => reject(Object.assign(new Error('No way for the audio was found.'), { name: 'ConnectionError' }));
      const timer = setTimeout(fail, CONNECT_MS);
      const look = () => {
        const state = this.#connection.connectionState;
        if (state === 'connected') { clearTimeout(timer); resolve(); }
        if (state === 'failed' || state === 'closed') { clearTimeout(timer); fail(); }
      };
      this.#connection.onconnectionstatechange = look;
      look();
    });
  }

  /** Server-sent events, read by hand: an EventSource cannot send the token. */
  async #listen() {
    while (!this.#over) {
      try {
        const response = await this.#ask(`${this.#url}/events`, { signal: this.#listening.signal });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = '';
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          const events = (text + part.value).split('\n\n');
          text = events.pop();
          events.forEach(event => this.#tell(event));
        }
      } catch (error) {
        if (error instanceof Problem) { break; } // The call is over.
      }
      if (!this.#over) { await new Promise(again => setTimeout(again, RELISTEN_MS)); }
    }
  }

  #tell(event) {
    const field = name => event.split('\n').find(line => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const type = field('event');
    if (type === 'ended') { this.#release(); }
    if (type) { this.dispatchEvent(new CustomEvent(type, { detail: JSON.parse(field('data')) })); }
  }

  async #ask(path, request) {
    const url = path.startsWith('http') ? path : this.#base + path;
    const response = await fetch(url, { ...request, headers: { ...request.headers, Authorization: `Bearer ${this.#token}` } });
    if (!response.ok) { throw new Problem(response, await response.json().catch(() => ({}))); }
    return response;
  }
}

/** What Guru refused: an RFC 9457 problem. */
export class Problem extends Error {
  constructor(response, problem) {
    super(problem.title ?? response.statusText);
    this.name = 'Problem';
    this.status = response.status;
    this.code = problem.code;
    this.retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  }
}
