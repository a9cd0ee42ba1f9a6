// Yjs in node as a program of benchmarks/engine.py: a Doc, and its updates appended to a file with fdatasync.
// Its file begins with the whole document, as after a compaction. The numbers are those of benchmarks/engine_task.py.
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as Y from 'yjs'

const COUNT = 100_000, EACH_SIDE = 10_000, EDITS = 300, QUERIES = 5, CHAPTERS = 1189
const WORK = 'Bible.KJV', WITHIN = 'Book7.7', QUOTE = 'In the beginning God created the heaven and the earth.'
const [step, folder] = process.argv.slice(2)
const at = name => path.join(folder, name)
const ms = since => Number(process.hrtime.bigint() - since) / 1e6
const now = () => process.hrtime.bigint()
const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
const idOf = number => number.toString(16).padStart(32, '0')
const sourceOf = number => {
  const chapter = number % CHAPTERS
  return `Book${chapter % 66}.${Math.floor(chapter / 66) + 1}.${number % 31 + 1}`
}

class Plain {
  constructor (file, durable = true) {
    this.file = file
    this.durable = durable
    this.doc = new Y.Doc()
    if (fs.existsSync(file)) {
      const bytes = fs.readFileSync(file)
      this.doc.transact(() => {
        for (let place = 0; place < bytes.length;) {
          const length = bytes.readUInt32LE(place)
          Y.applyUpdate(this.doc, bytes.subarray(place + 4, place + 4 + length))
          place += 4 + length
        }
      })
    }
    this.highlights = this.doc.getMap('highlights')
    this.fields = this.doc.getMap('fields')
    this.log = fs.openSync(file, 'a')
    this.doc.on('update', update => this.append(update))
  }

  append (update) {
    const head = Buffer.alloc(4)
    head.writeUInt32LE(update.length)
    fs.writevSync(this.log, [head, update])
    if (this.durable) fs.fdatasyncSync(this.log)
  }

  write (number) {
    const id = idOf(number), at = Date.now()
    this.highlights.set(id, {
      anchor: { work: { id: WORK }, source: sourceOf(number), quote: { exact: QUOTE } }, createdAt: at, createdBy: ''
    })
    this.fields.set(`${id}/color`, 'yellow')
    this.fields.set(`${id}/style`, 'highlight')
    this.fields.set(`${id}/updatedAt`, at)
  }

  add (number) { this.doc.transact(() => this.write(number)) }

  chapter () {
    const found = []
    for (const value of this.highlights.values()) if (value.anchor.source.startsWith(`${WITHIN}.`)) found.push(value)
    return found
  }
}

const fill = (name, count) => {
  const plain = new Plain(at(name), false)
  plain.doc.transact(() => { for (let number = 0; number < count; number++) plain.write(number) })
}

if (step === 'build') {
  fill('library.bin', COUNT)
  fill('common.bin', EACH_SIDE)
  for (const side of [1, 2]) {
    fs.copyFileSync(at('common.bin'), at(`side${side}.bin`))
    const plain = new Plain(at(`side${side}.bin`), false)
    for (let number = 0; number < EACH_SIDE; number++) {
      if (number % 2) plain.fields.set(`${idOf(number)}/color`, `color ${side}`)
      else plain.add(side * 1_000_000 + number)
    }
  }
} else if (step === 'measure') {
  global.gc()
  const before = process.memoryUsage().rss
  let began = now()
  const plain = new Plain(at('library.bin'))
  const loadedMs = ms(began)
  const found = plain.chapter().length
  const openMs = ms(began)
  global.gc()
  const loaded = process.memoryUsage().rss
  const queries = [], edits = []
  for (let n = 0; n < QUERIES; n++) { began = now(); plain.chapter(); queries.push(ms(began)) }
  for (let n = 0; n < EDITS; n++) { began = now(); plain.add(COUNT + n); edits.push(ms(began)) }
  console.log(JSON.stringify({
    found,
    open_ms: openMs,
    query_ms: median(queries),
    first_edit_ms: loadedMs + edits[0],
    edit_us: median(edits.slice(1)) * 1e3,
    mb_per_10000: (loaded - before) / 1e6 / COUNT * 10_000
  }))
} else {
  const [one, two] = [1, 2].map(side => {
    fs.copyFileSync(at(`side${side}.bin`), at(`copy${side}.bin`))
    return new Plain(at(`copy${side}.bin`))
  })
  const began = now()
  const forTwo = Y.encodeStateAsUpdate(one.doc, Y.encodeStateVector(two.doc))
  const forOne = Y.encodeStateAsUpdate(two.doc, Y.encodeStateVector(one.doc))
  Y.applyUpdate(two.doc, forTwo)
  Y.applyUpdate(one.doc, forOne)
  const seconds = ms(began) / 1e3
  if (one.highlights.size !== 2 * EACH_SIDE || two.highlights.size !== 2 * EACH_SIDE) throw new Error('not whole')
  console.log(JSON.stringify({ catch_up_s: seconds }))
}
