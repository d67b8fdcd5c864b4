import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';

/** Starts headless Chromium: the one that CHROMIUM names, or Debian's. Close it when the tests are over. */
export function launch() {
  if (!existsSync(executablePath)) throw new Error(`there is no ${executablePath}: apt-get install chromium, or set CHROMIUM to the path of one`);
  // Its sandbox does not work as root, nor in most containers; what it opens here are our own pages. /dev/shm is too small there.
  return puppeteer.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** Opens a page. What goes wrong in it, and what it says on its console, is told by the test. */
export async function open(browser, t, url) {
  const page = await browser.newPage();
  t.after(() => page.close());
  page.on('pageerror', (error) => t.diagnostic(`page: ${error.stack ?? error}`));
  page.on('console', (message) => t.diagnostic(`console: ${message.text()}`));
  await page.goto(url);
  return page;
}
