// The server of npm y-websocket@2, `bin/server.cjs` as it is, on the port that is asked for. With `--persist` it keeps
// its documents in LevelDB (npm y-leveldb), in the folder of `--data`.
import * as net from 'node:net'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' }, data: { type: 'string', default: '' },
    persist: { type: 'boolean', default: false }
  }
})

const freePort = () => new Promise(resolve => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => resolve(port))
  })
})

const port = Number(values.port) || await freePort()
process.env.HOST = '127.0.0.1'
process.env.PORT = String(port)
if (values.persist) process.env.YPERSISTENCE = values.data
createRequire(import.meta.url)('../../tests/interop/node_modules/y-websocket-2/bin/server.cjs')
const connect = () => net.connect(port, '127.0.0.1')
  .on('connect', function () { this.destroy(); console.log(`ws://127.0.0.1:${port}`) })
  .on('error', () => setTimeout(connect, 20))
connect()
process.on('SIGTERM', () => process.exit(0))
