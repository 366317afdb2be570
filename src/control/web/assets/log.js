// The log as it grows: followed, paused, searched, wrapped and copied.
'use strict';
(() => {
  const LINES = 5000;
  const log = document.querySelector('#log');
  if (!log || !log.dataset.stream) return;
  const controls = document.querySelector('#controls');
  document.querySelector('#refresh').hidden = true;

  // Without what colours it on a terminal; what a chunk cuts in two waits for the next.
  let rest = '';
  const plain = (text) => {
    text = rest + text;
    const cut = text.match(/\x1b(\[[ -?]*)?$/);
    rest = cut ? cut[0] : '';
    return text.slice(0, text.length - rest.length).replace(/\x1b\[[ -?]*[@-~]/g, '');
  };

  // --- Lines, each an element, the oldest forgotten.
  let open = null;
  const add = (text) => {
    const fresh = document.createDocumentFragment();
    const parts = text.split('\n');
    parts.forEach((part, at) => {
      if (part || at < parts.length - 1) {
        if (!open) {
          open = document.createElement('p');
          fresh.append(open);
        }
        open.textContent += part.replace(/\r$/, '');
        open.hidden = !fits(open);
      }
      if (at < parts.length - 1) open = null;
    });
    log.append(fresh);
    while (log.childElementCount > LINES) log.firstElementChild.remove();
    later();
  };

  // --- Search: lines that have the text, the text marked where the browser can.
  let wanted = '';
  const fits = (line) => !wanted || line.textContent.toLowerCase().includes(wanted);
  const mark = () => {
    const lines = [...log.children];
    const found = wanted ? lines.filter((line) => !line.hidden) : [];
    hits.textContent = wanted ? `${found.length} line${found.length === 1 ? '' : 's'}` : '';
    if (!window.Highlight) return;
    const ranges = [];
    for (const line of found.slice(-1000)) {
      const node = line.firstChild, text = line.textContent.toLowerCase();
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        if (at + wanted.length > node.length) break;
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + wanted.length);
        ranges.push(range);
      }
    }
    CSS.highlights.set('found', new Highlight(...ranges));
  };

  // --- Following: until somebody scrolls up or pauses.
  let follow = true, paused = false, behind = '', due = 0;
  const later = () => {
    if (due) return;
    due = requestAnimationFrame(() => {
      due = 0;
      if (follow) log.scrollTop = log.scrollHeight;
      mark();
      status();
    });
  };
  const take = (text) => {
    if (!text) return;
    if (paused) {
      behind = (behind + text).slice(-4e6);
      status();
    } else {
      add(text);
    }
  };

  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const pause = make('button', { type: 'button', id: 'pause', textContent: 'Pause' });
  const wrap = make('button', { type: 'button', id: 'wrap', textContent: 'Wrap' });
  const copy = make('button', { type: 'button', id: 'copy', textContent: 'Copy' });
  const search = make('input', { type: 'search', id: 'search', placeholder: 'Search  /', autocomplete: 'off', spellcheck: false });
  search.setAttribute('aria-label', 'Search in the log');
  const hits = make('span', { className: 'hits' });
  hits.setAttribute('aria-live', 'polite');
  const state = make('span', { id: 'following' });
  const foot = make('div', { className: 'logfoot' });
  foot.append(state);
  controls.append(pause, wrap, copy, search, hits);
  log.after(foot);

  let joined = false;
  const status = () => {
    const lines = behind ? behind.split('\n').length - 1 : 0;
    const text = paused ? `paused${lines ? `, ${lines} new line${lines === 1 ? '' : 's'} held back` : ''}`
      : !joined ? 'not connected, trying again' : follow ? 'following' : 'scrolled up: scroll to the end to follow';
    if (state.textContent !== text) state.textContent = text;
  };
  const press = (button, on) => button.setAttribute('aria-pressed', String(on));
  const setWrap = (on) => {
    log.classList.toggle('wrap', on);
    press(wrap, on);
    later();
  };
  pause.onclick = () => {
    paused = !paused;
    press(pause, paused);
    if (!paused) {
      follow = true;
      const text = behind;
      behind = '';
      add(text);
    }
    status();
  };
  wrap.onclick = () => {
    const on = !log.classList.contains('wrap');
    setWrap(on);
    try { localStorage.setItem('wrap', on ? '1' : ''); } catch { /* private windows keep nothing */ }
  };
  copy.onclick = async () => {
    const lines = [...log.children].filter((line) => !line.hidden).map((line) => line.textContent);
    const text = lines.join('\n') + '\n';
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Pages that did not come over TLS have no clipboard of that kind.
      const area = make('textarea', { value: text, className: 'sr' });
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
  };
  search.oninput = () => {
    wanted = search.value.toLowerCase();
    for (const line of log.children) line.hidden = !fits(line);
    later();
  };
  new ResizeObserver(later).observe(log);
  log.onscroll = () => {
    follow = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
    status();
  };

  // --- The stream: from where the page ends; after a break from where it broke; only while somebody can see it.
  const CUT = '==> File truncated <==\n';
  const url = new URL(log.dataset.stream, location.href);
  let offset = Number(url.searchParams.get('from')), stop = null;
  const read = async () => {
    stop = new AbortController();
    url.searchParams.set('from', offset);
    const answer = await fetch(url, { signal: stop.signal });
    if (!answer.ok) throw new Error(answer.status);
    joined = true;
    status();
    const reader = answer.body.getReader(), decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true }), cut = text.lastIndexOf(CUT);
      offset = cut < 0 ? offset + value.length : new TextEncoder().encode(text.slice(cut + CUT.length)).length;
      take(plain(text));
    }
  };
  const stream = async () => {
    for (;;) {
      if (document.hidden) await new Promise((seen) => document.addEventListener('visibilitychange', seen, { once: true }));
      await read().catch(() => { /* told below, and tried again */ });
      joined = false;
      status();
      if (!document.hidden) await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  };
  document.addEventListener('visibilitychange', () => document.hidden && stop?.abort());

  const text = log.textContent;
  log.textContent = '';
  // On a phone a line does not fit.
  let kept = null;
  try { kept = localStorage.getItem('wrap'); } catch { /* see above */ }
  setWrap(kept === null ? innerWidth < 600 : !!kept);
  press(pause, false);
  add(text);
  stream();
})();
