// The page at /docs, on a phone and on a desk, light and dark: nothing in it offends its own policy, reaches outside, is too wide, or
// is out of reach for somebody.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { launch } from './chromium.js';
import { Program, until } from './program.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const phone = { width: 360, height: 740, isMobile: true, hasTouch: true, deviceScaleFactor: 1 };
const desk = { width: 1280, height: 800 };

let program, browser;

before(async () => {
  program = await Program.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

/** Opens the page, and keeps what went wrong: `faults` is empty as long as nothing has. */
async function read(t, viewport, scheme, hash = '') {
  const context = await browser.createBrowserContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error}`));
  page.on('console', (message) => faults.push(`console: ${message.text()}`));
  page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${program.url}/`) && !request.url().startsWith('data:')) faults.push(`elsewhere: ${request.url()}`);
  });
  page.on('response', (response) => {
    if (!response.ok()) faults.push(`${response.status()}: ${response.url()}`);
  });
  const session = await page.createCDPSession();
  session.on('Log.entryAdded', ({ entry }) => faults.push(`log: ${entry.text}`));
  await session.send('Log.enable');
  await page.exposeFunction('fault', (text) => { faults.push(text); });
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', (e) => fault(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
  const response = await page.goto(`${program.url}/docs${hash}`, { waitUntil: 'networkidle0' });
  assert.equal(response.status(), 200);
  return { page, faults };
}

/** What is wider than the window, the page itself first. Nothing is. */
const tooWide = () => [
  ...(document.scrollingElement.scrollWidth > innerWidth ? ['the page'] : []),
  ...[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll')).map((e) => e.outerHTML.slice(0, 100)),
];

for (const [place, viewport] of Object.entries({ phone, desk })) {
  for (const scheme of ['light', 'dark']) {
    test(`on a ${place}, ${scheme}`, async (t) => {
      const { page, faults } = await read(t, viewport, scheme);
      assert.deepEqual(await page.evaluate(tooWide), []);
      const [light, text] = await page.evaluate(() => {
        const brightness = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
        const style = getComputedStyle(document.body);
        return [brightness(style.backgroundColor), brightness(style.color)];
      });
      assert.ok(scheme === 'light' ? light > 200 && text < 80 : light < 60 && text > 200, `ground ${light}, text ${text}`);

      const closed = await page.evaluate(() => {
        for (const summary of document.querySelectorAll('details > summary')) summary.click();
        return [...document.querySelectorAll('details:not([open])')].map((d) => d.outerHTML.slice(0, 100));
      });
      assert.deepEqual(closed, []);
      assert.ok(await page.$$eval('details[open]', (all) => all.length) > 50);
      assert.deepEqual(await page.evaluate(tooWide), [], 'with everything open');

      // One of each kind stays open: axe takes minutes for all of them.
      await page.evaluate((open) => {
        const kept = open.map((id) => document.getElementById(id));
        for (const d of document.querySelectorAll('details')) d.open = kept.some((k) => k.contains(d));
      }, ['operation-send-message', 'operation-search-memory', 'ws-message-chat.message', 'ws-message-chat.reply']);
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => {
        const found = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations'] });
        if (found.passes.length < 10) throw new Error('axe has looked at nothing');
        return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html).join(' ')}`);
      });
      assert.deepEqual(violations, []);
      assert.deepEqual(faults, []);
    });
  }
}

test('what is wrong is seen', async (t) => {
  const { page, faults } = await read(t, phone, 'light');
  await page.evaluate(() => {
    document.body.setAttribute('style', 'width: 900px');
    document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:9/x.png' }));
  });
  await until('both are seen', () => faults.some((f) => f.startsWith('policy: style-src')) && faults.some((f) => f.startsWith('policy: img-src')));
});

test('without JavaScript', async (t) => {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.setJavaScriptEnabled(false);
  await page.setViewport(phone);
  await page.goto(`${program.url}/docs`);
  assert.equal(await page.$('.tools'), null, 'what needs the script is not there');
  const operation = await page.$('#operation-send-message');
  const inside = await operation.$('.samples');
  const visible = () => inside.evaluate((e) => e.checkVisibility());
  assert.equal(await visible(), false);
  await (await operation.$('summary')).tap();
  await until('it is open', visible);
  assert.match(await inside.evaluate((e) => e.textContent), /curl '/);
});

test('with JavaScript', async (t) => {
  const { page, faults } = await read(t, desk, 'light', '#operation-send-message');
  const operation = await page.$('#operation-send-message');
  assert.equal(await operation.evaluate((e) => e.open), true, 'a link opens what it leads to');
  assert.ok(await operation.isIntersectingViewport());
  assert.match(await operation.$eval('.samples code', (e) => e.textContent), new RegExp(`^curl '${program.url}/api/chat/send'`));

  await page.browserContext().overridePermissions(program.url, ['clipboard-read', 'clipboard-write', 'clipboard-sanitized-write']);
  await (await operation.$('.samples button')).click();
  await until('it is copied', () => operation.$eval('.samples button', (e) => e.textContent === 'Copied'));
  assert.match(await page.evaluate('navigator.clipboard.readText()'), /^curl '/);

  const shown = () => page.$$eval('.operation', (all) => all.filter((e) => e.checkVisibility()).map((e) => e.id));
  const all = await shown();
  await page.type('.tools input', 'memory GET');
  const few = await shown();
  assert.ok(few.includes('operation-search-memory') && !few.includes('operation-send-message') && few.length < all.length / 3, `${few}`);
  await page.$eval('.tools input', (e) => { e.value = ''; e.dispatchEvent(new Event('input')); });
  assert.deepEqual(await shown(), all);
  assert.deepEqual(faults, []);
});

test('printed, everything is there', async (t) => {
  const { page } = await read(t, desk, 'dark');
  const visible = () => page.$eval('#operation-send-message .samples', (e) => e.checkVisibility());
  assert.equal(await visible(), false);
  await page.emulateMediaType('print');
  assert.equal(await visible(), true);
  assert.equal(await page.$eval('nav', (e) => getComputedStyle(e).display), 'none');
});
