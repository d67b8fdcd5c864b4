// Makes the extension one file (and that of the tests another one), which the host can copy, run, and compare with a checksum. With --watch, anew on each save.
import { chmod } from 'node:fs/promises'
import { context } from 'esbuild'

const programs = { 'stagehouse-desk': 'src/main.ts', 'stagehouse-probe': 'test/probe.ts' }
const built = await context({
  entryPoints: programs,
  outdir: 'build',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  loader: { '.proto': 'text', '.html': 'text' },
  logLevel: 'warning',
  plugins: [{ name: 'executable', setup: (b) => b.onEnd(executable) }],
})

async function executable({ errors }) {
  if (errors.length === 0) await Promise.all(Object.keys(programs).map((name) => chmod(`build/${name}.cjs`, 0o755)))
}

if (process.argv.includes('--watch')) {
  await built.watch()
} else {
  await built.rebuild()
  await built.dispose()
}
