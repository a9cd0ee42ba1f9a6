// Real editors on a Yjs document, behind a pipe: one JSON request a line in, one JSON answer a line out.
// `open` gives an editor a document; what it then writes by itself is `wrote`.
import * as readline from 'node:readline'
import { JSDOM } from 'jsdom'
import * as Y from 'yjs'

const { window } = new JSDOM('<!doctype html><body></body>', { pretendToBeVisual: true })
for (const name of ['window', 'document', 'Node', 'Element', 'HTMLElement', 'DocumentFragment', 'MutationObserver', 'Text', 'Range',
  'getComputedStyle', 'requestAnimationFrame', 'cancelAnimationFrame', 'DOMParser', 'KeyboardEvent', 'InputEvent', 'innerHeight']) {
  Object.defineProperty(globalThis, name, { value: name === 'window' ? window : window[name], configurable: true, writable: true })
}
Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true })
window.Range.prototype.getClientRects = () => []
window.Range.prototype.getBoundingClientRect = () => ({ left: 0, right: 0, top: 0, bottom: 0, width: 0, height: 0 })
window.document.elementFromPoint = () => null

const { Editor } = await import('@tiptap/core')
const { default: StarterKit } = await import('@tiptap/starter-kit')
const { default: Collaboration } = await import('@tiptap/extension-collaboration')
const { Schema } = await import('prosemirror-model')
const { EditorState } = await import('prosemirror-state')
const { EditorView } = await import('prosemirror-view')
const basic = await import('prosemirror-schema-basic')
const { addListNodes } = await import('prosemirror-schema-list')
const { ySyncPlugin } = await import('y-prosemirror')
const { default: Quill } = await import('quill')
const { QuillBinding } = await import('y-quill')

const bytes = hex => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = data => Buffer.from(data).toString('hex')
const place = () => document.body.appendChild(document.createElement('div'))

const proseMirror = (doc, root) => {
  const schema = new Schema({ nodes: addListNodes(basic.schema.spec.nodes, 'paragraph block*', 'block'), marks: basic.schema.spec.marks })
  const state = EditorState.create({ schema, plugins: [ySyncPlugin(doc.getXmlFragment(root))] })
  return new EditorView(place(), { state })
}

// TipTap as it comes, and without its trailing node, which adds an empty paragraph to whatever ends in something else.
const tiptap = trailingNode => (doc, root) => new Editor({
  element: place(),
  extensions: [
    StarterKit.configure({ undoRedo: false, ...trailingNode, link: { protocols: ['note', 'osis', 'highlight'] } }),
    Collaboration.configure({ fragment: doc.getXmlFragment(root) })
  ]
}).view

const quill = (doc, root) => {
  const editor = new Quill(place())
  return { quill: editor, binding: new QuillBinding(doc.getText(root), editor) }
}

const makers = { proseMirror, tiptap: tiptap({}), tiptapBare: tiptap({ trailingNode: false }), quill }
const editors = new Map()

class Opened {
  constructor ({ kind, root, updates, clientId }) {
    this.doc = new Y.Doc()
    if (clientId) this.doc.clientID = clientId
    for (const update of updates) Y.applyUpdate(this.doc, bytes(update), 'remote')
    this.root = root
    this.wrote = []
    this.doc.on('update', (update, origin) => { if (origin !== 'remote') this.wrote.push(hex(update)) })
    this.view = makers[kind](this.doc, root)
  }
}

// y-prosemirror shows a document, and repairs it, in a timer of no length: wait for two.
const settled = () => new Promise(resolve => setTimeout(() => setTimeout(resolve, 0), 0))

const find = (view, words) => {
  let at = null
  view.state.doc.descendants((node, position) => {
    if (at === null && node.isText && node.text.includes(words)) at = position + node.text.indexOf(words)
  })
  if (at === null) throw new Error(`${words} is not there`)
  return at
}

const seen = ({ doc, view, wrote }) => {
  if (view.quill) return { delta: view.quill.getContents().ops, wrote, update: hex(Y.encodeStateAsUpdate(doc)) }
  view.state.doc.check()
  return { doc: view.state.doc.toJSON(), html: view.dom.innerHTML, wrote, update: hex(Y.encodeStateAsUpdate(doc)) }
}

const calls = {
  open: async ({ name, ...how }) => { editors.set(name, new Opened(how)); await settled(); return seen(editors.get(name)) },
  see: async ({ name }) => { await settled(); return seen(editors.get(name)) },
  take: async ({ name, updates }) => {
    for (const update of updates) Y.applyUpdate(editors.get(name).doc, bytes(update), 'remote')
    await settled()
    return seen(editors.get(name))
  },
  type: async ({ name, before, words }) => {
    const { view } = editors.get(name)
    const at = find(view, before)
    view.dispatch(view.state.tr.insertText(words, at, at))
    await settled()
    return seen(editors.get(name))
  },
  setContent: async ({ name, doc }) => {
    const { view } = editors.get(name)
    const { schema, tr } = view.state
    view.dispatch(tr.replaceWith(0, view.state.doc.content.size, schema.nodeFromJSON(doc).content))
    await settled()
    return seen(editors.get(name))
  },
  setDelta: async ({ name, delta }) => { editors.get(name).view.quill.setContents(delta, 'user'); return seen(editors.get(name)) },
  // what docs/protocol.md says of an imported text, in Yjs
  seed: ({ root, text, clientId }) => {
    const doc = new Y.Doc()
    doc.clientID = clientId
    doc.transact(() => {
      for (const line of text.split('\n')) {
        const paragraph = new Y.XmlElement('paragraph')
        doc.getXmlFragment(root).push([paragraph])
        if (line) paragraph.push([new Y.XmlText(line)])
      }
    })
    return { update: hex(Y.encodeStateAsUpdate(doc)) }
  }
}

readline.createInterface({ input: process.stdin }).on('line', async line => {
  const { call, argument } = JSON.parse(line)
  let answer
  try { answer = await calls[call](argument) } catch (error) { answer = { error: String(error.stack) } }
  process.stdout.write(JSON.stringify(answer) + '\n')
})
