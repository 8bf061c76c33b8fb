"""The AI SDK's chat protocol: `useChat` and `DefaultChatTransport` of the npm package `ai`."""
