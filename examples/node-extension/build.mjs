// Makes the extension one file (and that of the tests another one), which the host can copy, run, and compare with a checksum.
// With --watch, anew on each save.
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { context } from 'esbuild'

const built = await context({
  entryPoints: { 'stagehouse-desk': 'src/main.ts', 'stagehouse-probe': 'test/probe.ts' },
  outdir: 'build',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  loader: { '.proto': 'text', '.html': 'text' },
  logLevel: 'warning',
  write: false,
  plugins: [{ name: 'whole', setup: (b) => b.onEnd(put) }],
})

/** Puts what was built to its place in one step, because a host is watching. What could not be built leaves it as it is. */
async function put({ errors, outputFiles }) {
  if (errors.length > 0) return
  await mkdir('build', { recursive: true })
  for (const { path, contents } of outputFiles) {
    await writeFile(`${path}.new`, contents, { mode: 0o755 })
    await rename(`${path}.new`, path)
  }
}

if (process.argv.includes('--watch')) {
  await built.watch()
} else {
  await built.rebuild()
  await built.dispose()
}
