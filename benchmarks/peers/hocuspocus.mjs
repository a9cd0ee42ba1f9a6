// Hocuspocus as a peer of our relay, on a free port that it names. It stores nothing.
import { Server } from '@hocuspocus/server'
const server = new Server({ quiet: true, address: '127.0.0.1', port: 0, stopOnSignals: false })
await server.listen()
console.log(`ws://127.0.0.1:${server.address.port}`)
process.on('SIGTERM', () => process.exit(0))
