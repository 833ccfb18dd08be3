// What a page needs of the browser: its clock, the theme that was chosen, and the recording of a call.

const remember = (name, value) => {
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax${location.protocol === 'https:' ? '; secure' : ''}`;
};

remember('guru.timeZone', Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC');

document.addEventListener('click', e => {
  if (e.target.closest('[data-theme-switch]')) {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    remember('guru.theme', root.dataset.theme);
  }

  // The router goes to the place, and leaves the focus behind.
  if (e.target.closest('.skip')) {
    document.getElementById('main').focus();
  }

  const seek = e.target.closest('[data-seek]');
  const recording = document.getElementById('recording');
  if (seek && recording) {
    recording.currentTime = Number(seek.dataset.seek) / 1000;
    recording.play();
  }

  // One menu at a time.
  for (const open of document.querySelectorAll('.views details[open]')) {
    if (!open.contains(e.target)) {
      open.open = false;
    }
  }
});

document.addEventListener('error', e => {
  if (e.target.id === 'recording') {
    document.querySelector('[data-when-silent]').hidden = false;
  }
}, true);

document.addEventListener('keydown', e => {
  if (e.key === 'Escape') {
    const open = e.target.closest?.('.views details[open]');
    if (open) {
      open.open = false;
      open.querySelector('summary').focus();
    }
  }
});
