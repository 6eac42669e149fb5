// The conversation of `python_client.py`, through the official SDK for
// TypeScript. It takes the folder the SDK is installed in, and the same object.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'

const require = createRequire(`${process.argv[2]}/`)
const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client')
const { StdioClientTransport } = require('@modelcontextprotocol/client/stdio')

const MODES = { handshake: 'legacy', stateless: 'auto' }

const talk = JSON.parse(process.argv[3])
const { programs } = talk
let decision = 'refuse'

const say = (step, value) => console.log(JSON.stringify({ step, value }))

const client = new Client(
  { name: 'typescript-client', version: '1' },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode: MODES[talk.era] } },
)
client.setRequestHandler('elicitation/create', request => {
  say('asked', request.params)
  return { action: 'accept', content: { decision } }
})

const call = async (step, name, args) => {
  const result = await client.callTool({ name, arguments: args })
  say(step, result)
  return result.structuredContent
}

const transport = () => {
  if (talk.command) return new StdioClientTransport(talk)
  const headers = { Authorization: `Bearer ${talk.token}` }
  return new StreamableHTTPClientTransport(new URL(talk.url), { requestInit: { headers } })
}

await client.connect(transport())
const { tools } = await client.listTools()
say('discover', {
  protocol: client.getNegotiatedProtocolVersion(),
  server: client.getServerVersion().name,
  instructions: client.getInstructions(),
  tools: tools.map(tool => tool.name),
})
await call('search', 'search_tools', { query: talk.query })
await call('stub', 'read_file', { path: talk.stub })

const { session } = await call('open', 'sessions', { action: 'open' })
await call('first', 'execute', { code: programs.first, session })
await call('second', 'execute', { code: programs.second, session })

const large = await call('large', 'execute', { code: programs.large, session, max_tokens: 500 })
await call('kept', 'read_file', { path: large.kept[0].path, session, max_tokens: 300 })

// Cancelled once the program is known to run: it has written the marker, and the
// server has its call.
const doom = new AbortController()
const doomed = client
  .callTool({ name: 'execute', arguments: { code: programs.endless, session } }, { signal: doom.signal })
  .then(result => say('survived', result), () => {})
const deadline = Date.now() + 60_000
while (!existsSync(talk.marker) || !readFileSync(talk.log, 'utf8').includes('silent')) {
  if (Date.now() > deadline) throw new Error('the program to be cancelled does not run')
  await setTimeout(20)
}
const stopped = Date.now()
doom.abort()
await doomed
await call('cancelled', 'execute', { code: programs.free, session })
say('seconds', (Date.now() - stopped) / 1000)

decision = 'allow this call'
await call('allowed', 'execute', { code: programs.asking, session })
decision = 'refuse'
await call('refused', 'execute', { code: programs.asking, session })

await call('close', 'sessions', { action: 'close', session })
await call('closed', 'execute', { code: '1', session })
await client.close()
say('left', true)
