// Yjs documents behind a pipe: one JSON request a line in, one JSON answer a line out. Started by `crdt_sync.testing.yjs`.
import { createRequire } from 'node:module'
import * as path from 'node:path'
import * as readline from 'node:readline'
import { pathToFileURL } from 'node:url'

const [, , module, packages] = process.argv
const Y = createRequire(path.join(packages, 'any.js'))('yjs')
const model = await import(pathToFileURL(module))

const bytes = hex => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = data => Buffer.from(data).toString('hex')
const docs = new Map()
let next = 1

// What a change made, as one update, or null if it changed nothing.
const made = (doc, change) => {
  const updates = []
  const listen = update => updates.push(update)
  doc.on('update', listen)
  try { change() } finally { doc.off('update', listen) }
  return updates.length ? hex(updates.length === 1 ? updates[0] : Y.mergeUpdates(updates)) : null
}

const calls = {
  open: (updates, clientID) => {
    const doc = new Y.Doc()
    for (const update of updates) Y.applyUpdate(doc, bytes(update))
    doc.clientID = clientID
    docs.set(next, doc)
    return next++
  },
  edit: (handle, edit) => { const doc = docs.get(handle); return made(doc, () => doc.transact(() => model.apply(Y, doc, edit))) },
  take: (handle, update) => { const doc = docs.get(handle); return made(doc, () => Y.applyUpdate(doc, bytes(update))) },
  stateVector: handle => hex(Y.encodeStateVector(docs.get(handle))),
  diff: (handle, vector) => hex(Y.encodeStateAsUpdate(docs.get(handle), bytes(vector))),
  read: handle => model.read(Y, docs.get(handle)),
  close: handle => { docs.get(handle).destroy(); docs.delete(handle); return null }
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const [name, ...args] = JSON.parse(line)
  let answer
  try { answer = { result: calls[name](...args) ?? null } } catch (error) { answer = { error: String(error.stack ?? error) } }
  process.stdout.write(JSON.stringify(answer) + '\n')
})
