// The node y-websocket server (npm y-websocket@2) as a peer of our engine, on a free port that it names.
import * as http from 'node:http'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
const { setupWSConnection } = require('y-websocket-2/bin/utils')
const { WebSocketServer } = require('ws')
const server = http.createServer()
new WebSocketServer({ server }).on('connection', setupWSConnection)
server.listen(0, '127.0.0.1', () => console.log(`ws://127.0.0.1:${server.address().port}`))
process.on('SIGTERM', () => process.exit(0))
