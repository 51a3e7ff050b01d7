"""What the official client of OpenAI gets from `routelab serve`: openai_client.py URL TOKEN well|down|limited."""

import asyncio
import sys

import openai

url, token, case = sys.argv[1:]
client = openai.OpenAI(base_url=url, api_key=token, max_retries=0)
sums = [{"role": "user", "content": "What is 20 + 22 ?"}]


def fails(kind, call, part):
    try:
        call()
    except kind as error:
        assert part in str(error), error
    else:
        raise AssertionError(f"no {kind}")


def chat(**settings):
    return client.chat.completions.create(**{"model": "routelab", "messages": sums, **settings})


if case == "well":
    assert [model.id for model in client.models.list()] == ["routelab", "small", "medium", "large"]
    answer = chat()
    assert answer.choices[0].message.content.endswith("42"), answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    raw = client.chat.completions.with_raw_response.create(
        model="routelab:budget=1", messages=sums, temperature=0, max_completion_tokens=20
    )
    assert raw.headers["x-routelab-model"] in ("small", "medium", "large"), raw.headers
    assert float(raw.headers["x-routelab-predicted-cost"]) >= 0
    assert raw.parse().choices[0].finish_reason == "stop"
    by_header = client.chat.completions.with_raw_response.create(
        model="routelab", messages=sums, extra_headers={"x-routelab-price": "1000"}
    )
    assert by_header.headers["x-routelab-limit"] == "price=1000"

    pieces = list(chat(stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces).endswith("42")
    assert pieces[-1].choices[0].finish_reason == "stop"
    pieces = list(chat(stream=True, stream_options={"include_usage": True}))
    assert pieces[-1].usage.completion_tokens > 0
    with client.chat.completions.stream(model="routelab", messages=sums) as stream:
        assert stream.get_final_completion().choices[0].message.content.endswith("42")

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    seen = chat(messages=[{"role": "user", "content": [{"type": "text", "text": "What is 20 + 22 ?"}, image]}])
    assert seen.usage.prompt_tokens > 100, "the image reached the model"

    fails(openai.NotFoundError, lambda: chat(model="gpt-9"), "gpt-9")
    fails(openai.BadRequestError, lambda: chat(model="routelab:cheap"), "budget=0.002")
    fails(openai.BadRequestError, lambda: chat(messages=[]), "messages")
    fails(openai.BadRequestError, lambda: chat(messages=[{"role": "user", "content": "REFUSE"}]), "refused")
    stranger = openai.OpenAI(base_url=url, api_key="another", max_retries=0)
    fails(openai.AuthenticationError, lambda: stranger.models.list(), "token")

    async def many():
        asynchronous = openai.AsyncOpenAI(base_url=url, api_key=token, max_retries=0)
        calls = [
            asynchronous.chat.completions.create(
                model="routelab", messages=[{"role": "user", "content": f"What is {i} + 0 ?"}]
            )
            for i in range(100)
        ]
        return await asyncio.gather(*calls)

    assert len(asyncio.run(many())) == 100
elif case == "down":
    fails(openai.InternalServerError, chat, "no model answered")
elif case == "limited":
    fails(openai.RateLimitError, chat, "slow down")
else:
    raise SystemExit(f"no case {case}")
