// The twin of `crdt_sync.testing.XML`.
export const apply = (Y, doc, [kind, place, what]) => {
  const xml = doc.getXmlFragment('xml')
  if (kind === 'add') {
    const paragraph = new Y.XmlElement('paragraph')
    paragraph.insert(0, [new Y.XmlText(what)])
    xml.insert(place % (xml.length + 1), [paragraph])
  } else if (xml.length) {
    const at = place % xml.length
    if (kind === 'remove') xml.delete(at, 1)
    else if (kind === 'style') xml.get(at).setAttribute('style', what)
    else xml.get(at).get(0).insert(xml.get(at).get(0).length, what)
  }
}

export const read = (Y, doc) => doc.getXmlFragment('xml').toArray()
  .map(child => [child.nodeName, child.getAttributes(), child.get(0).toDelta().map(part => part.insert).join('')])
