// Prints the cids that ipfs-unixfs-importer gives a fixed set of files and folders in the profile
// `unixfs-v1-2025` (IPIP-499). Its output is appliance/kith-core/tests/vectors/unixfs.txt; the test
// `unixfs_vectors` of kith-core builds the same inputs and compares.
//
//   npm ci && node golden.mjs > ../../appliance/kith-core/tests/vectors/unixfs.txt
//
// Content is a keystream: block i (from 0) is sha256(name, then i as 8 bytes little-endian). The
// folders of exactly 262,144 bytes and of one more, and the files of 1 GiB, are the fixtures that
// IPIP-499 publishes with their cids: there the stream is ChaCha20 under sha256(seed) with nonce 0.
// The files of 1 GiB are only checked here, since two GiB take minutes in an unoptimised test; small
// chunks fill nodes of 1,024 links there.

import { createCipheriv, createHash } from 'node:crypto'
import { BlackHoleBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

const MIB = 1 << 20

const PUBLISHED = {
  'ipip-499-hello': 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e',
  'ipip-499-empty-folder': 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354',
  'ipip-499-folder-at-threshold': 'bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4',
  'ipip-499-folder-over-threshold': 'bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu',
  'ipip-499-file-at-width': 'bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm',
  'ipip-499-file-over-width': 'bafybeihmzokxxjqwxjcryerhp5ezpcog2wcawfryb2xm64xiakgm4a5jue'
}

function keystream (name, size) {
  const blocks = []
  for (let i = 0; i * 32 < size; i++) {
    const counter = Buffer.alloc(8)
    counter.writeBigUInt64LE(BigInt(i))
    blocks.push(createHash('sha256').update(name).update(counter).digest())
  }
  return Buffer.concat(blocks).subarray(0, size)
}

function * chacha (seed, size) {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('chacha20', key, Buffer.alloc(16))
  for (let left = size; left > 0; left -= MIB) {
    yield cipher.update(Buffer.alloc(Math.min(left, MIB)))
  }
}

function chachaNames (seed, count, length, lastLength) {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz01234567890-_'
  const stream = [...chacha(seed, MIB)][0]
  const names = []
  for (let at = 0; names.length < count;) {
    const end = at + (names.length === count - 1 ? lastLength : length)
    names.push([...stream.subarray(at, end)].map(byte => alphabet[byte % alphabet.length]).join(''))
    at = end
  }
  return names
}

async function last (source, options) {
  let entry
  for await (entry of importer(source, new BlackHoleBlockstore(), { profile: 'unixfs-v1-2025', ...options }));
  return entry
}

function check (name, entry) {
  if (PUBLISHED[name] !== undefined && PUBLISHED[name] !== entry.cid.toString()) {
    throw new Error(`${name} is ${entry.cid}, but IPIP-499 says ${PUBLISHED[name]}`)
  }
}

function print (name, entry) {
  check(name, entry)
  console.log(`${name} ${entry.cid} ${entry.size}`)
}

const file = async (name, content, options) => print(name, await last([{ content }], options))
const folder = async (name, entries) => print(name, await last(entries, { wrapWithDirectory: true }))
const small = (chunkSize, maxChildrenPerNode) => ({
  chunker: fixedSize({ chunkSize }), layout: balanced({ maxChildrenPerNode })
})

console.log('# name, root, bytes of all blocks together; made by tests/ipfs/golden.mjs')
for (const [name, size] of [
  ['empty', 0], ['one-byte', 1], ['one-chunk', MIB], ['one-chunk-and-a-byte', MIB + 1],
  ['five-chunks-and-3-bytes', 5 * MIB + 3]
]) {
  await file(name, keystream(name, size))
}
for (const [name, size, chunk, width] of [
  ['chunks-256-width-1024-full', 256 * 1024, 256, 1024],
  ['chunks-256-width-1024-over', 256 * 1024 + 1, 256, 1024],
  ['chunks-16-width-4-full', 16 * 64, 16, 4],
  ['chunks-16-width-4-over', 16 * 64 + 1, 16, 4],
  ['chunks-7-width-3-deep', 5_000, 7, 3]
]) {
  await file(name, keystream(name, size), small(chunk, width))
}

const hello = Buffer.from('hello world')
await folder('three-files', [
  { path: 'b.txt', content: hello },
  { path: 'a.txt', content: Buffer.alloc(0) },
  { path: 'Übergröße 🏘.bin', content: keystream('Übergröße 🏘.bin', 3 * MIB) }
])
await folder('nested', [
  { path: 'z/y/x.txt', content: hello },
  { path: 'z/w.txt', content: keystream('w', 100_000) },
  { path: 'empty' },
  { path: 'a.txt', content: keystream('a', 1_500_000) }
])
const many = Array.from({ length: 10_000 }, (_, i) => `file-${i}`)
await folder('ten-thousand', many.map(path => ({ path, content: keystream(path, 4096) })))
await folder('ten-thousand-below', many.map(path => ({ path: `in/${path}`, content: hello })))

await file('ipip-499-hello', hello)
print('ipip-499-empty-folder', await last([{ path: 'empty' }]))
for (const [name, length] of [['at', 21], ['over', 22]]) {
  const names = chachaNames('hamt-unixfs-v1-2025', 4766, 11, length)
  await folder(`ipip-499-folder-${name}-threshold`, names.map(path => ({ path, content: Buffer.from('x') })))
}
for (const [name, size] of [['at', 1024], ['over', 1025]]) {
  const content = chacha('v1-2025-seed', size * MIB)
  check(`ipip-499-file-${name}-width`, await last([{ content }]))
}
