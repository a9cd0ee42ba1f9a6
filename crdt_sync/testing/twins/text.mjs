// The twin of `crdt_sync.testing.TEXT`. Places are code points; Yjs counts UTF-16 units.
export const apply = (Y, doc, [kind, place, what]) => {
  const text = doc.getText('text')
  const points = [...text.toString()]
  const units = (from, to) => points.slice(from, to).join('').length
  if (kind === 'insert') text.insert(units(0, place % (points.length + 1)), what)
  else if (points.length) {
    const start = place % points.length
    text.delete(units(0, start), units(start, start + what))
  }
}

export const read = (Y, doc) => doc.getText('text').toString()
