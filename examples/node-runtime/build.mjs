// Makes the runtime one file, which the host can copy, run, and compare with a checksum.
import { chmod } from 'node:fs/promises'
import { createRequire } from 'node:module'

const { build } = createRequire(new URL('../node-extension/package.json', import.meta.url))('esbuild')
const outfile = 'build/stagehouse-parrots.cjs'
await build({
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  loader: { '.proto': 'text' },
  logLevel: 'warning',
})
await chmod(outfile, 0o755)
