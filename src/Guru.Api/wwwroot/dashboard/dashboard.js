// What a page needs of the browser: its clock, the theme that was chosen, the recording of a call, and where to look.

const remember = (name, value) => {
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax${location.protocol === 'https:' ? '; secure' : ''}`;
};

remember('guru.timeZone', Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC');

// Leads to the line of a transcript that an address names, where it is there.
const reveal = hash => {
  const line = document.getElementById(decodeURIComponent(hash.slice(1)));
  document.querySelector('.found')?.classList.remove('found');
  line?.classList.add('found');
  line?.scrollIntoView({ block: 'center' });
  return line !== null;
};
window.guru = { reveal };

document.addEventListener('click', e => {
  const on = selector => e.target.closest(selector);
  if (on('[data-theme-switch]')) {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    remember('guru.theme', root.dataset.theme);
  }

  // The router goes to a place on the page, and leaves the focus behind.
  if (on('.skip')) {
    document.getElementById('main').focus();
  }

  if (on('.timeline a')) {
    reveal(on('.timeline a').hash);
  }

  const recording = document.getElementById('recording');
  if (on('[data-seek]') && recording) {
    recording.currentTime = Number(on('[data-seek]').dataset.seek) / 1000;
    recording.play();
  }

  if (on('[data-reload]')) {
    location.reload();
  }

  // One menu at a time.
  for (const open of document.querySelectorAll('.views details[open]')) {
    if (!open.contains(e.target)) {
      open.open = false;
    }
  }
});

document.addEventListener('keydown', e => {
  const open = e.key === 'Escape' && e.target.closest?.('.views details[open]');
  if (open) {
    open.open = false;
    open.querySelector('summary').focus();
  }
});

document.addEventListener('error', e => {
  if (e.target.id === 'recording') {
    document.querySelector('[data-when-silent]').hidden = false;
  }
}, true);

// What is said last stays in sight, unless somebody has scrolled back.
new MutationObserver(changes => {
  for (const { target } of changes) {
    const log = target.closest?.('[role=log]');
    if (log && log.scrollHeight - log.scrollTop - log.clientHeight < 300) {
      log.scrollTop = log.scrollHeight;
    }
  }
}).observe(document.body, { childList: true, subtree: true });

// Who signs out in one tab has signed out in all of them.
document.addEventListener('submit', e => {
  if (e.target.getAttribute('action') === '/logout') {
    localStorage.setItem('guru.left', Date.now());
  }
});
addEventListener('storage', e => {
  if (e.key === 'guru.left') {
    setTimeout(() => location.reload(), 1000);
  }
});
