// Makes the extension one file, which the host can copy, run, and compare with a checksum. With --watch, anew on each save.
import { chmod } from 'node:fs/promises'
import { context } from 'esbuild'

const outfile = process.env.OUT ?? 'build/stagehouse-desk.cjs'
const built = await context({
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  loader: { '.proto': 'text', '.html': 'text' },
  logLevel: 'warning',
  plugins: [{ name: 'executable', setup: (b) => b.onEnd((r) => { if (r.errors.length === 0) return chmod(outfile, 0o755) }) }],
})
if (process.argv.includes('--watch')) {
  await built.watch()
} else {
  await built.rebuild()
  await built.dispose()
}
