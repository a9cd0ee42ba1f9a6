// Stock Yjs clients behind a pipe: one JSON request a line in, one JSON answer a line out.
// A request names a client; `until` waits, bounded, for what a client will see.
import * as readline from 'node:readline'
import * as Y from 'yjs'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { WebsocketProvider as WebsocketProvider2 } from 'y-websocket-2'

// y-websocket measures silence in the clock of the page; `--speed 20` lets 30 s pass in 1.5.
const speed = Number(process.argv[process.argv.indexOf('--speed') + 1] || 1)
if (process.argv.includes('--speed')) {
  const [began, now, every] = [Date.now(), Date.now, setInterval]
  Date.now = () => began + (now() - began) * speed
  globalThis.setInterval = (f, ms, ...rest) => every(f, ms / speed, ...rest)
}

const clients = new Map()

class Client {
  constructor ({ url, room, version = 3, token, protocols }) {
    this.doc = new Y.Doc()
    this.log = []
    const Provider = version === 2 ? WebsocketProvider2 : WebsocketProvider
    this.provider = new Provider(url, room, this.doc, {
      WebSocketPolyfill: WebSocket, disableBc: true, connect: false, maxBackoffTime: 200,
      params: token ? { token } : {}, protocols: protocols ?? []
    })
    this.waiters = new Set()
    this.barriers = []
    this.closes = []
    this.stopped = null
    this.connections = 0
    const check = () => { for (const w of this.waiters) w() }
    this.provider.messageHandlers[102] = (_encoder, decoder) => {
      this.barriers.push([...decoder.arr.slice(decoder.pos)]); decoder.pos = decoder.arr.length; check()
    }
    this.doc.on('update', check)
    this.provider.awareness.on('change', check)
    this.provider.on('status', ({ status }) => { if (status === 'connected') this.connections++; check() })
    this.provider.on('sync', check)
    this.provider.on('connection-close', event => { this.closes.push(event && event.code); check() })
    this.provider.on('closed', event => { this.stopped = event; check() })
    this.quiet = 0
    setInterval(() => { this.quiet++; check() }, 20000)
    this.provider.connect()
  }

  see () {
    const roots = {}
    for (const name of ['meta', 'highlights', 'notes', 'fields', 'm']) roots[name] = this.doc.getMap(name).toJSON()
    return {
      ...roots,
      t: this.doc.getText('t').toString(),
      synced: this.provider.synced,
      connected: this.provider.wsconnected,
      connections: this.connections,
      stopped: this.stopped,
      closes: this.closes,
      barriers: this.barriers,
      clientId: this.doc.clientID,
      lateness: Math.floor(this.quiet), // in twenties of seconds of this page's clock, since it was opened
      presence: [...this.provider.awareness.getStates()].filter(([id]) => id !== this.doc.clientID).map(([, state]) => state),
      stateVector: Buffer.from(Y.encodeStateVector(this.doc)).toString('hex'),
      update: Buffer.from(Y.encodeStateAsUpdate(this.doc)).toString('hex')
    }
  }
}

// Does `seen` hold all of `wanted`? Objects are compared key by key, null means "not there".
const holds = (seen, wanted) => {
  if (wanted === null) return seen === undefined || seen === null
  if (Array.isArray(wanted) || typeof wanted !== 'object') return JSON.stringify(seen) === JSON.stringify(wanted)
  return seen !== null && typeof seen === 'object' && Object.keys(wanted).every(key => holds(seen[key], wanted[key]))
}

const calls = {
  open: (id, argument) => { clients.set(id, new Client(argument)) },
  see: id => clients.get(id).see(),
  set: (id, { map = 'm', values }) => {
    const c = clients.get(id)
    c.doc.transact(() => { for (const [k, v] of Object.entries(values)) v === null ? c.doc.getMap(map).delete(k) : c.doc.getMap(map).set(k, v) })
  },
  text: (id, { at, insert }) => clients.get(id).doc.getText('t').insert(at, insert),
  burst: (id, { prefix, count }) => { for (let n = 0; n < count; n++) clients.get(id).doc.getMap('m').set(prefix + n, n) },
  presence: (id, state) => clients.get(id).provider.awareness.setLocalState(state),
  connect: id => clients.get(id).provider.connect(),
  disconnect: id => clients.get(id).provider.disconnect(),
  cut: id => clients.get(id).provider.ws?.terminate(),
  send: (id, hex) => clients.get(id).provider.ws.send(Buffer.from(hex, 'hex')),
  sendText: (id, text) => clients.get(id).provider.ws.send(text),
  apply: (id, hex) => Y.applyUpdate(clients.get(id).doc, new Uint8Array(Buffer.from(hex, 'hex')), clients.get(id).provider),
  close: id => { clients.get(id).provider.destroy(); clients.delete(id) },
  until: (id, { wanted, seconds }) => new Promise((resolve, reject) => {
    const client = clients.get(id)
    const check = () => {
      if (!holds(client.see(), wanted)) return
      client.waiters.delete(check); clearTimeout(timer); resolve(client.see())
    }
    const timer = setTimeout(() => {
      client.waiters.delete(check); reject(new Error(`never saw ${JSON.stringify(wanted)}; sees ${JSON.stringify(client.see())}`))
    }, seconds * 1000)
    client.waiters.add(check)
    check()
  })
}

readline.createInterface({ input: process.stdin }).on('line', async line => {
  const { call, client, argument } = JSON.parse(line)
  let answer
  try { answer = { result: (await calls[call](client, argument)) ?? null } } catch (error) { answer = { error: String(error.message) } }
  process.stdout.write(JSON.stringify(answer) + '\n')
}).on('close', () => process.exit(0))
