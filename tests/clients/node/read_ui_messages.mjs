// Reads a UI message stream on standard input as the AI SDK's useChat does, and prints what it made of it:
// {"message": the last state of the message, "errors": [...]}
import { Readable } from 'node:stream'
import { DefaultChatTransport, readUIMessageStream } from 'ai'

const body = Readable.toWeb(process.stdin)
const transport = new DefaultChatTransport({ fetch: async () => new Response(body, { status: 200 }) })
const errors = []
let message = null
const stream = await transport.sendMessages({
  trigger: 'submit-message',
  chatId: 'chat',
  messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'hello' }] }]
})
try {
  for await (const state of readUIMessageStream({ stream, onError: (error) => errors.push(String(error)) })) message = state
} catch (error) {
  errors.push(String(error))
}
console.log(JSON.stringify({ message, errors }))
