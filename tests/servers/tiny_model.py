"""Writes a model of llama.cpp with random weights: `python tiny_model.py FILE`.

It runs in the environment of llama-cpp-python, not in that of the project. The model says words of
a small vocabulary in a random order, and never ends by itself.
"""

import sys

import gguf
import numpy as np

WORDS = ["the", "a", "boat", "order", "desk", "oak", "blue", "two", "is", "in", "of", "and", "on"]
EMBEDDING, FEED_FORWARD, HEADS, CONTEXT = 64, 128, 4, 4096
CHARACTERS = [chr(code) for code in range(0x21, 0x7F)]

tokens = ["<unk>", "<s>", "</s>"]
types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
tokens += [f"<0x{byte:02X}>" for byte in range(256)]
types += [gguf.TokenType.BYTE] * 256
# SentencePiece writes a space as U+2581.
plain = ["\u2581", *CHARACTERS, *(f"\u2581{word}" for word in WORDS)]
tokens += plain
types += [gguf.TokenType.NORMAL] * len(plain)

random = np.random.default_rng(7)


def weights(*shape: int, scale: float = 0.3) -> np.ndarray:
    """Return a random matrix."""
    return (random.standard_normal(shape) * scale).astype(np.float32)


def ones(size: int) -> np.ndarray:
    """Return the weights of a norm."""
    return np.ones(size, dtype=np.float32)


writer = gguf.GGUFWriter(sys.argv[1], "llama")
writer.add_name("tiny")
writer.add_context_length(CONTEXT)
writer.add_embedding_length(EMBEDDING)
writer.add_block_count(1)
writer.add_feed_forward_length(FEED_FORWARD)
writer.add_head_count(HEADS)
writer.add_head_count_kv(HEADS)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_dimension_count(EMBEDDING // HEADS)
writer.add_vocab_size(len(tokens))
writer.add_tokenizer_model("llama")
writer.add_token_list(tokens)
writer.add_token_scores([-float(index) for index in range(len(tokens))])
writer.add_token_types(types)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_unk_token_id(0)
writer.add_add_bos_token(True)

writer.add_tensor("token_embd.weight", weights(len(tokens), EMBEDDING, scale=1))
output = weights(len(tokens), EMBEDDING, scale=2)
# Only whole words have a chance, unless a grammar excludes them.
output[: len(tokens) - len(WORDS)] *= 0.01
writer.add_tensor("output.weight", output)
writer.add_tensor("output_norm.weight", ones(EMBEDDING))
for norm in ("attn_norm", "ffn_norm"):
    writer.add_tensor(f"blk.0.{norm}.weight", ones(EMBEDDING))
for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
    writer.add_tensor(f"blk.0.{part}.weight", weights(EMBEDDING, EMBEDDING))
for part in ("ffn_gate", "ffn_up"):
    writer.add_tensor(f"blk.0.{part}.weight", weights(FEED_FORWARD, EMBEDDING))
writer.add_tensor("blk.0.ffn_down.weight", weights(EMBEDDING, FEED_FORWARD))

writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
