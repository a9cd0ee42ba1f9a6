// Real Yjs and y-protocols behind a pipe: one JSON request a line in, one JSON answer a line out.
import * as readline from 'node:readline'
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as syncProtocol from 'y-protocols/sync'
import * as authProtocol from 'y-protocols/auth'
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness'

const bytes = hex => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = data => Buffer.from(data).toString('hex')

// xorshift: the same seed makes the same documents
const generator = seed => {
  let x = seed | 0 || 1
  return n => { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; return (x >>> 0) % n }
}

const words = ['a', 'Grüße', '𝔘𝔫𝔦', '日本', 'e\u0301', 'x'.repeat(40)]

const edit = (doc, pick) => {
  const map = doc.getMap('m'); const text = doc.getText('t'); const list = doc.getArray('l'); const xml = doc.getXmlFragment('x')
  switch (pick(10)) {
    case 0: map.set('k' + pick(4), { a: [1, -70, 2.5, null, true, 'ü'], b: { c: pick(1e6) } }); break
    case 1: map.delete('k' + pick(4)); break
    case 2: text.insert(pick(text.length + 1), words[pick(words.length)]); break
    case 3: if (text.length > 1) { const at = pick(text.length - 1); text.delete(at, 1 + pick(text.length - at)) } break
    case 4: if (text.length > 2) text.format(0, 1 + pick(text.length), { bold: true }); break
    case 5: list.insert(pick(list.length + 1), [pick(100), new Uint8Array([1, 2]), words[pick(words.length)]]); break
    case 6: if (list.length) list.delete(pick(list.length)); break
    case 7: { const p = new Y.XmlElement('paragraph'); p.insert(0, [new Y.XmlText(words[pick(words.length)])]); xml.insert(pick(xml.length + 1), [p]); break }
    case 8: if (xml.length) xml.delete(pick(xml.length)); break
    case 9: text.insertEmbed(pick(text.length + 1), { image: 'x' }); break
  }
}

// Documents that edit and exchange; the answer is a list of (base state, update, does it fit?) by Yjs's own pending structs.
const fitCases = ({ seed, count }) => {
  const pick = generator(seed)
  const cases = []
  while (cases.length < count) {
    const docs = [0, 1, 2].map(() => { const d = new Y.Doc({ gc: pick(2) === 0 }); d.clientID = 1 + pick(2 ** 31); return d })
    const log = []
    docs.forEach((doc, i) => doc.on('update', (u, origin) => { if (origin !== 'remote') log.push({ i, u }) }))
    for (let n = 0; n < 12; n++) {
      const i = pick(3)
      if (pick(3) === 0) Y.applyUpdate(docs[pick(3)], Y.encodeStateAsUpdate(docs[i]), 'remote')
      else docs[i].transact(() => { for (let k = pick(3); k >= 0; k--) edit(docs[i], pick) })
    }
    if (!log.length) continue
    for (let n = 0; n < 8 && cases.length < count; n++) {
      const base = new Y.Doc()
      // a base without gaps: a prefix of the log in the order of its making
      for (const { u } of log.slice(0, pick(log.length + 1))) {
        const trial = new Y.Doc(); Y.applyUpdate(trial, Y.encodeStateAsUpdate(base)); Y.applyUpdate(trial, u)
        if (!trial.store.pendingStructs && !trial.store.pendingDs) Y.applyUpdate(base, u)
      }
      const parts = log.filter(() => pick(2) === 0).map(e => e.u)
      let update = pick(4) === 0 ? Y.encodeStateAsUpdate(docs[pick(3)], Y.encodeStateVector(docs[pick(3)])) : (parts.length ? Y.mergeUpdates(parts) : log[pick(log.length)].u)
      if (pick(6) === 0) update = log[pick(log.length)].u
      const vector = hex(Y.encodeStateVector(base))
      Y.applyUpdate(base, update)
      cases.push({ vector, update: hex(update), fits: !base.store.pendingStructs && !base.store.pendingDs })
    }
  }
  return cases
}

const encodeMessage = m => {
  const e = encoding.createEncoder()
  const doc = new Y.Doc()
  switch (m.type) {
    case 'SyncStep1': if (m.update !== '0000') Y.applyUpdate(doc, bytes(m.update)); encoding.writeVarUint(e, 0); syncProtocol.writeSyncStep1(e, doc); break
    case 'SyncUpdate': encoding.writeVarUint(e, 0); syncProtocol.writeUpdate(e, bytes(m.update)); break
    case 'SyncStep2': if (m.update !== '0000') Y.applyUpdate(doc, bytes(m.update)); encoding.writeVarUint(e, 0); syncProtocol.writeSyncStep2(e, doc); break
    case 'Awareness': {
      const a = new Awareness(doc); clearInterval(a._checkInterval); a.states.clear(); a.meta.clear()
      for (const [id, clock, state] of m.entries) { a.meta.set(id, { clock, lastUpdated: 0 }); if (state !== null) a.states.set(id, state) }
      encoding.writeVarUint(e, 1); encoding.writeVarUint8Array(e, encodeAwarenessUpdate(a, m.entries.map(x => x[0]))); break
    }
    case 'PermissionDenied': encoding.writeVarUint(e, 2); authProtocol.writePermissionDenied(e, m.reason); break
    case 'Barrier': { encoding.writeVarUint(e, 102); const b = encoding.createEncoder(); encoding.writeVarUint(b, m.number); encoding.writeVarUint8Array(e, encoding.toUint8Array(b)); break }
  }
  return hex(encoding.toUint8Array(e))
}

const decodeMessage = frame => {
  const d = decoding.createDecoder(bytes(frame))
  const type = decoding.readVarUint(d)
  if (type === 0) { const step = decoding.readVarUint(d); return [type, step, hex(decoding.readVarUint8Array(d))] }
  if (type === 1) {
    const doc = new Y.Doc(); const a = new Awareness(doc); clearInterval(a._checkInterval); a.setLocalState(null)
    applyAwarenessUpdate(a, decoding.readVarUint8Array(d), 'test')
    return [type, [...a.meta].filter(([id]) => id !== doc.clientID).map(([id, meta]) => [id, meta.clock, a.states.get(id) ?? null])]
  }
  if (type === 2) { let reason; authProtocol.readAuthMessage(d, doc, (_, r) => { reason = r }); return [type, reason] }
  if (type === 102) return [type, decoding.readVarUint(decoding.createDecoder(decoding.readVarUint8Array(d)))]
  return [type]
}
// The entries one by one into a real Awareness, and what it then holds.
const awareness = entries => {
  const a = new Awareness(new Y.Doc()); clearInterval(a._checkInterval); a.setLocalState(null)
  for (const [id, clock, state] of entries) {
    const e = encoding.createEncoder()
    encoding.writeVarUint(e, 1); encoding.writeVarUint(e, id); encoding.writeVarUint(e, clock); encoding.writeVarString(e, state)
    applyAwarenessUpdate(a, encoding.toUint8Array(e), 'test')
  }
  return [...a.states].map(([id, state]) => [id, a.meta.get(id).clock, JSON.stringify(state)]).sort((x, y) => x[0] - y[0])
}

const applyAll = updates => {
  const d = new Y.Doc()
  for (const u of updates) Y.applyUpdate(d, bytes(u))
  return { pending: Boolean(d.store.pendingStructs || d.store.pendingDs), m: d.getMap('m').toJSON(), t: d.getText('t').toString() }
}

// A library that crdt-sync wrote, as Yjs sees it, and an edit that Yjs makes in it.
const library = ({ updates, note }) => {
  const d = new Y.Doc()
  for (const u of updates) Y.applyUpdate(d, bytes(u))
  const seen = {
    highlights: d.getMap('highlights').toJSON(), notes: d.getMap('notes').toJSON(), fields: d.getMap('fields').toJSON(),
    body: d.getXmlFragment('note/' + note).toString()
  }
  const before = Y.encodeStateVector(d)
  d.transact(() => {
    for (const id of d.getMap('highlights').keys()) d.getMap('fields').set(id + '/color', 'from yjs')
    const p = new Y.XmlElement('paragraph'); p.insert(0, [new Y.XmlText('von Yjs 🙂')])
    d.getXmlFragment('note/' + note).push([p])
  })
  return { ...seen, answer: hex(Y.encodeStateAsUpdate(d, before)) }
}

const doc = new Y.Doc()

const calls = { library, applyAll, awareness, fitCases, encodeMessage, decodeMessage }
readline.createInterface({ input: process.stdin }).on('line', line => {
  const { call, argument } = JSON.parse(line)
  process.stdout.write(JSON.stringify(calls[call](argument)) + '\n')
})
