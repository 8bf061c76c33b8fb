"""The A2A protocol, version 1.0 and 0.3: a task is a run of the agent.

https://a2a-protocol.org/v1.0.1/specification. The messages are those of `lf.a2a.v1` in ProtoJSON.
"""
