// 10 writers send 200 updates each as fast as they go; 110 clients in one room. Counts until every client has the last
// update of every writer, and then checks with Yjs that the last client to finish holds all 2,000.
import { createRequire } from 'node:module'
const require = createRequire(new URL('../tests/interop/', import.meta.url))
const Y = require('yjs')
const { WebSocket } = require('ws')

const [url, room] = process.argv.slice(2)
const [WRITERS, CLIENTS, UPDATES] = [10, 110, 200]
const varint = n => { const out = []; while (n > 127) { out.push(n & 127 | 128); n >>= 7 } out.push(n); return out }
const frame = (step, data) => Buffer.from([0, step, ...varint(data.length), ...data])

const updates = Array.from({ length: WRITERS }, (_, w) => {
  const doc = new Y.Doc(); const made = []
  doc.on('update', u => made.push(frame(2, u)))
  for (let n = 0; n < UPDATES; n++) doc.getMap('m').set(`w${w}-${n}.`, 'yellow')
  return made
})
const lasts = Array.from({ length: WRITERS }, (_, w) => Buffer.from(`w${w}-${UPDATES - 1}.`))

const clients = await Promise.all(Array.from({ length: CLIENTS }, () => new Promise(resolve => {
  const ws = new WebSocket(`${url}/${room}`)
  const client = { ws, frames: [], waiting: new Set(lasts), done: null }
  ws.on('open', () => { ws.send(frame(0, [0])); ws.send(frame(1, [0, 0])) })
  ws.on('message', data => {
    if (data[0] !== 0) return
    if (data[1] === 1) { resolve(client); return }
    if (data[1] !== 2) return
    client.frames.push(data)
    for (const last of client.waiting) if (data.includes(last)) client.waiting.delete(last)
    if (!client.waiting.size && client.done) client.done()
  })
})))

const began = process.hrtime.bigint()
const all = Promise.all(clients.map(client => new Promise(resolve => { client.done = resolve })))
for (let w = 0; w < WRITERS; w++) for (const update of updates[w]) clients[w].ws.send(update)
await all
const seconds = Number(process.hrtime.bigint() - began) / 1e9

const doc = new Y.Doc()
const { frames } = clients[CLIENTS - 1]
for (const data of frames) {
  let at = 2; while (data[at] > 127) at++
  Y.applyUpdate(doc, data.subarray(at + 1))
}
if (doc.getMap('m').size !== WRITERS * UPDATES) throw new Error(`${doc.getMap('m').size} of ${WRITERS * UPDATES} arrived`)
console.log(JSON.stringify({ seconds, deliveries: WRITERS * UPDATES * CLIENTS, frames: frames.length }))
process.exit(0)
