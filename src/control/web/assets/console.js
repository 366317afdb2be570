// Keeps the page as the daemon is: live changes, filters, and buttons that do not load the page anew.
// Everything here is a comfort; without it the forms and links do the same.
'use strict';
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const main = $('#main');
  const set = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  // What came of it, for eyes and for screen readers.
  const tell = (text, bad) => {
    const box = $('#message');
    box.hidden = false;
    box.classList.toggle('bad', !!bad);
    box.textContent = text;
  };

  // --- Time: the daemon's monotonic clock goes on here, so that a wrong clock on either side is no matter.
  let ahead = Number(document.body.dataset.now) - performance.now() / 1000;
  const two = (number) => String(number).padStart(2, '0');
  const uptime = (seconds) => {
    const days = Math.floor(seconds / 86400);
    const clock = `${Math.floor(seconds / 3600) % 24}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    return days === 0 ? clock : `${days} day${days === 1 ? '' : 's'}, ${clock}`;
  };
  const tick = () => {
    const now = performance.now() / 1000 + ahead;
    for (const cell of $$('.uptime')) {
      const since = cell.dataset.since;
      set(cell, since ? uptime(Math.max(0, Math.floor(now - Number(since)))) : '');
    }
  };
  setInterval(tick, 1000);

  // --- Filter: by tone and by text, in the address so that it can be kept and sent.
  const input = $('#filter input');
  const shown = { tone: new URLSearchParams(location.search).get('show') || '' };
  const filter = () => {
    const table = $('#programs');
    if (!input) return;
    const text = input.value.trim().toLowerCase();
    const counts = { '': 0 };
    let any = false;
    for (const row of $$('.row')) {
      const { tone, id } = row.dataset;
      counts[tone] = (counts[tone] || 0) + 1;
      counts['']++;
      const has = id.toLowerCase().includes(text) || $('.note', row).textContent.toLowerCase().includes(text);
      row.hidden = !(has && (!shown.tone || shown.tone === tone));
      any ||= !row.hidden;
    }
    for (const body of table ? table.tBodies : []) {
      const rows = $$('.row', body);
      body.hidden = rows.every((row) => row.hidden);
      const running = rows.filter((row) => row.dataset.tone === 'running').length;
      set($('.count', body), `${running} of ${rows.length} running`);
    }
    for (const chip of $$('.chip')) {
      const { tone } = chip.dataset, count = counts[tone] || 0;
      set($('b', chip), String(count));
      chip.classList.toggle('none', count === 0);
      chip.hidden = tone === 'changing' && count === 0 && shown.tone !== tone;
      chip.toggleAttribute('aria-current', tone === shown.tone);
      if (tone === shown.tone) chip.setAttribute('aria-current', 'true');
    }
    if ($('#nothing')) $('#nothing').hidden = any;
    const failed = counts.failed ? `(${counts.failed} failed) ` : '';
    document.title = failed + 'Supervisor Status';
  };
  const remember = () => {
    const query = new URLSearchParams();
    if (input.value.trim()) query.set('q', input.value.trim());
    if (shown.tone) query.set('show', shown.tone);
    history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
  };
  if (input) {
    input.addEventListener('input', () => { filter(); remember(); });
    document.addEventListener('click', (event) => {
      const chip = event.target.closest('.chip');
      if (!chip || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      shown.tone = chip.dataset.tone;
      filter();
      remember();
    });
  }
  document.addEventListener('keydown', (event) => {
    const field = $('input[type=search]');
    const typing = event.target.matches('input, textarea, select');
    if (event.key === '/' && !typing && field && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === 'Escape' && typing && event.target.value) {
      event.target.value = '';
      event.target.dispatchEvent(new Event('input', { bubbles: true }));
    }
  });

  // --- Rows: the same cells as the page was made with.
  const element = (id) => $(`[data-id="${CSS.escape(id)}"]`);
  const patch = (row) => {
    const whole = element(row.id);
    if (!whole) return false;
    whole.dataset.tone = row.tone;
    const state = $('.state > span', whole);
    set(state, row.state);
    state.className = row.class;
    for (const cell of ['pid', 'restarts', 'cpu', 'memory', 'note']) set($('.' + cell, whole), row[cell]);
    $('.uptime', whole).dataset.since = row.since ?? '';
    for (const button of $$('.actions button', whole)) {
      if (button.getAttribute('aria-busy')) continue;
      const can = { start: row.start, stop: row.stop, restart: row.stop }[button.value.split(' ')[0]];
      if (can !== undefined) button.disabled = !can;
    }
    return true;
  };

  // Programs came or went: the page is asked for them, because it knows best how they look.
  let fetching = false;
  const renew = async () => {
    if (fetching || !$('.tools')) return;
    fetching = true;
    try {
      const answer = await fetch('./', { headers: { Accept: 'text/html' } });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = $('#programs', page) || $('p.none', page);
      const old = $('#programs') || $('p.none:not(#nothing)');
      if (answer.ok && fresh && old) {
        old.replaceWith(document.importNode(fresh, true));
        if (!$('#nothing') && $('#nothing', page)) main.append(document.importNode($('#nothing', page), true));
        filter();
      }
    } finally {
      fetching = false;
    }
  };

  const mood = (state) => {
    const banner = $('#banner');
    const words = {
      RESTARTING: 'supervisord is restarting: it stops every program and begins again.',
      SHUTDOWN: 'supervisord is shutting down: it stops every program.',
    }[state];
    banner.hidden = !words;
    set(banner, words || '');
  };

  const live = $('#live');
  const say = (text, on) => {
    live.hidden = false;
    live.classList.toggle('on', on);
    set(live, text);
  };

  const take = (data) => {
    ahead = data.now - performance.now() / 1000;
    mood(data.state);
    const missing = data.rows.filter((row) => !patch(row)).length > 0;
    const known = new Set(data.rows.map((row) => row.id));
    const extra = data.boot ? $$('.row').some((row) => !known.has(row.dataset.id)) : (data.gone || []).some(element);
    if (missing || extra) renew();
    filter();
    tick();
  };
  // Only while somebody can see it: a browser has but six connections to a server, for all of its windows.
  let source = null;
  const watch = () => {
    if (source || document.hidden) return;
    source = new EventSource('events');
    source.addEventListener('all', (event) => {
      const data = JSON.parse(event.data);
      // Another start of the daemon: its page has another token.
      if (data.boot !== document.body.dataset.boot) return location.reload();
      say('live', true);
      take(data);
    });
    source.addEventListener('change', (event) => take(JSON.parse(event.data)));
    source.onerror = () => {
      say('not connected, trying again', false);
      if (source?.readyState === EventSource.CLOSED) {
        unwatch();
        setTimeout(watch, 5000);
      }
    };
  };
  const unwatch = () => {
    source?.close();
    source = null;
  };
  document.addEventListener('visibilitychange', () => document.hidden ? unwatch() : watch());
  watch();
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

  // --- Buttons: posted behind the page's back; what concerns many is asked first.
  const ask = (question, label, harm) => new Promise((resolve) => {
    const box = document.createElement('dialog');
    const text = document.createElement('p');
    text.id = 'question';
    text.textContent = question;
    box.setAttribute('aria-labelledby', 'question');
    const form = document.createElement('form');
    form.method = 'dialog';
    form.className = 'choices';
    for (const [value, name, look] of [['yes', label, harm ? 'harm' : 'main'], ['no', 'Cancel', '']]) {
      const button = document.createElement('button');
      button.value = value;
      button.textContent = name;
      button.className = look;
      button.autofocus = harm ? value === 'no' : value === 'yes';
      form.append(button);
    }
    box.append(text, form);
    document.body.append(box);
    box.addEventListener('close', () => { box.remove(); resolve(box.returnValue === 'yes'); });
    box.showModal();
  });
  const post = async (fields, button) => {
    button?.setAttribute('aria-busy', 'true');
    try {
      const answer = await fetch('index.html', {
        method: 'POST', body: new URLSearchParams(fields), headers: { Accept: 'application/json' },
      });
      const told = (answer.headers.get('Content-Type') || '').includes('json');
      const outcome = told ? await answer.json() : { message: `ERROR: refused, with status ${answer.status}` };
      tell(outcome.message, !outcome.ok);
    } catch {
      tell('ERROR: supervisord did not answer', true);
    } finally {
      button?.removeAttribute('aria-busy');
    }
  };
  const token = () => $('input[name=token]')?.value || '';
  document.addEventListener('submit', async (event) => {
    const form = event.target, button = event.submitter;
    if (form.id === 'filter') return event.preventDefault();
    if (button?.name !== 'do') return;
    event.preventDefault();
    if (button.getAttribute('aria-busy')) return;
    const fields = new FormData(form, button);
    fields.delete('page');
    if (form.id === 'ask') {
      fields.set('token', token());
      const group = button.closest('tbody')?.dataset.group;
      const whom = group ? `every program of the group ${group}` : 'every program';
      const label = button.textContent;
      const verb = label.replace(/ log$| all logs$/, ' the log of').replace(/ all$/, '');
      if (!(await ask(`${verb} ${whom}?`, label, verb === 'Stop'))) return button.focus();
    }
    await post(fields, button);
  });
  filter();
})();
