// The page can be read without this. It opens what a link leads to, and adds a filter and buttons that copy.
'use strict';

const main = document.getElementById('main');
const operations = [...document.querySelectorAll('.operation')];
const entries = new Map([...document.querySelectorAll('#contents a')].map((a) => [a.getAttribute('href'), a]));

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const closed = target?.closest('details:not([open])');
  if (!closed) return;
  closed.open = true;
  target.scrollIntoView();
}

function button(text, act) {
  const b = document.createElement('button');
  b.type = 'button';
  b.textContent = text;
  b.addEventListener('click', () => act(b));
  return b;
}

// copying needs a page from https or from this machine.
function copyButtons() {
  if (!navigator.clipboard) return;
  for (const sample of document.querySelectorAll('.sample')) {
    const copy = button('Copy', async (b) => {
      try {
        await navigator.clipboard.writeText(sample.querySelector('code').textContent);
        b.textContent = 'Copied';
      } catch {
        b.textContent = 'Not allowed';
      }
      setTimeout(() => { b.textContent = 'Copy'; }, 1500);
    });
    copy.setAttribute('aria-label', 'Copy: ' + sample.querySelector('figcaption').textContent);
    sample.append(copy);
  }
}

// base puts where this page came from into the command lines; a proxy may serve it under a path of its own.
function base() {
  const here = location.origin + location.pathname.replace(/\/docs$/, '');
  for (const b of document.querySelectorAll('.base')) b.textContent = here;
}

function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const o of operations) {
    const head = o.querySelector('summary').textContent.toLowerCase();
    o.hidden = !words.every((w) => head.includes(w));
    const entry = entries.get('#' + o.id);
    if (entry) entry.parentElement.hidden = o.hidden;
  }
  for (const g of document.querySelectorAll('.group')) {
    g.hidden = words.length > 0 && !g.querySelector('.operation:not([hidden])');
  }
}

function tools() {
  const bar = document.createElement('div');
  bar.className = 'tools';
  bar.setAttribute('role', 'search');
  const box = document.createElement('input');
  box.type = 'search';
  box.placeholder = 'Filter';
  box.setAttribute('aria-label', 'Filter operations and frames');
  box.addEventListener('input', () => filter(box.value));
  let opened = false;
  const all = button('Open all', (b) => {
    opened = !opened;
    for (const o of operations) o.open = opened;
    b.textContent = opened ? 'Close all' : 'Open all';
  });
  bar.append(box, all);
  main.querySelector('.group')?.before(bar);
}

base();
tools();
copyButtons();
addEventListener('hashchange', open);
document.addEventListener('click', (e) => {
  if (location.hash && e.target.closest('a')?.getAttribute('href') === location.hash) open(); // the hash does not change
});
open();
