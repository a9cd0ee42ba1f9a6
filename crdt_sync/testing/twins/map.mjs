// The twin of `crdt_sync.testing.MAP`.
export const apply = (Y, doc, [kind, key, value]) => {
  const map = doc.getMap('map')
  if (kind === 'set') map.set(key, value)
  else map.delete(key)
}

export const read = (Y, doc) => doc.getMap('map').toJSON()
