// Reads a CAR file that Kith exported with programs that are not ours, and compares its content byte
// for byte with what was put in.
//
//   node check.mjs CAR FOLDER      the CAR's root is a folder equal to FOLDER, in both directions
//   node check.mjs CAR FILE        the CAR's root is a file equal to FILE
//   node check.mjs CAR FILE...     the CAR's root is a folder of exactly these files
//
// Ends with 0 and one line of JSON, or with 1 and what differs.

import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CarBlockIterator } from '@ipld/car'
import { MemoryBlockstore } from 'blockstore-core'
import { exporter } from 'ipfs-unixfs-exporter'

class Differs extends Error {}

async function load (car) {
  const store = new MemoryBlockstore()
  const reader = await CarBlockIterator.fromIterable(createReadStream(car))
  const roots = await reader.getRoots()
  if (roots.length !== 1) throw new Differs(`the CAR has ${roots.length} roots`)
  const seen = new Set()
  for await (const { cid, bytes } of reader) {
    const digest = createHash('sha256').update(bytes).digest()
    if (cid.version !== 1 || cid.multihash.code !== 0x12 || !digest.equals(cid.multihash.digest)) {
      throw new Differs(`a block is not ${cid}`)
    }
    if (seen.has(cid.toString())) throw new Differs(`block ${cid} comes twice`)
    seen.add(cid.toString())
    await store.put(cid, bytes)
  }
  return { root: roots[0], store, blocks: seen.size }
}

function expected (paths) {
  if (paths.length === 1 && !statSync(paths[0]).isDirectory()) return paths[0]
  if (paths.length > 1) return new Map(paths.map(path => [basename(path), path]))
  return new Map(readdirSync(paths[0]).map(name => [name, join(paths[0], name)]))
}

async function compare (entry, want, sum) {
  if (want instanceof Map) {
    if (entry.type !== 'directory') throw new Differs(`${entry.path} is a ${entry.type}`)
    const left = new Map(want)
    for await (const { name, cid } of entry.entries()) {
      const path = left.get(name)
      if (path === undefined) throw new Differs(`${entry.path} has ${name}, which was not put in`)
      left.delete(name)
      const inner = await exporter(cid, sum.store)
      await compare(inner, statSync(path).isDirectory() ? expected([path]) : path, sum)
    }
    if (left.size > 0) throw new Differs(`${entry.path} lacks ${[...left.keys()].join(', ')}`)
    sum.folders++
    return
  }
  if (entry.type !== 'file' && entry.type !== 'raw') throw new Differs(`${want} became a ${entry.type}`)
  const content = readFileSync(want)
  let at = 0
  for await (const bytes of entry.content()) {
    if (!content.subarray(at, at + bytes.length).equals(bytes)) throw new Differs(`${want} differs after byte ${at}`)
    at += bytes.length
  }
  if (at !== content.length) throw new Differs(`${want} has ${content.length} bytes, the CAR ${at}`)
  sum.files++
  sum.bytes += at
}

const [car, ...paths] = process.argv.slice(2)
if (car === undefined || paths.length === 0) {
  console.error('usage: node check.mjs CAR FOLDER|FILE...')
  process.exit(2)
}
try {
  const { root, store, blocks } = await load(car)
  const sum = { store, files: 0, folders: 0, bytes: 0 }
  await compare(await exporter(root, store), expected(paths), sum)
  const { files, folders, bytes } = sum
  console.log(JSON.stringify({ root: root.toString(), blocks, files, folders, bytes }))
} catch (error) {
  console.error(`check: ${error instanceof Differs ? error.message : error.stack}`)
  process.exit(1)
}
