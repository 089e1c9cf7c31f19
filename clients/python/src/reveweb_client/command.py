"""`reveweb` in a shell: generate, status, balance. It reads REVEWEB_URL and REVEWEB_API_KEY."""

import argparse
import sys
from collections.abc import Sequence

from reveweb_client.client import Image, Reveweb
from reveweb_client.errors import RevewebError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1, and say why, when it fails, and 2 for what it does not understand."""
    asked = _parser().parse_args(arguments)
    try:
        with Reveweb(asked.url, asked.key) as reveweb:
            asked.run(reveweb, asked)
    except (RevewebError, OSError, ValueError) as error:
        print(f"reveweb: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reveweb", description="Draw images from words.")
    parser.add_argument("--url", help="the site's address (REVEWEB_URL)")
    parser.add_argument("--key", help="an API key (REVEWEB_API_KEY, which other people on this machine do not see)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="draw an image, and print its address or save it")
    generate.add_argument("prompt")
    generate.add_argument("-o", "--output", metavar="FILE", help="save it here")
    for name in ("negative-prompt", "aspect-ratio", "model", "size", "quality"):
        generate.add_argument(f"--{name}")
    generate.set_defaults(run=_generate)

    status = commands.add_parser("status", help="tell how an image is doing")
    status.add_argument("id")
    status.add_argument("-o", "--output", metavar="FILE", help="save it here once it is finished")
    status.set_defaults(run=_status)

    balance = commands.add_parser("balance", help="print how many credits are left")
    balance.set_defaults(run=_balance)
    return parser


def _generate(reveweb: Reveweb, asked: argparse.Namespace) -> None:
    names = ("negative_prompt", "aspect_ratio", "model", "size", "quality")
    options = {name: value for name in names if (value := getattr(asked, name))}
    _show(reveweb.generate(asked.prompt, **options), asked.output)


def _status(reveweb: Reveweb, asked: argparse.Namespace) -> None:
    _show(reveweb.wait(asked.id) if asked.output else reveweb.status(asked.id), asked.output)


def _balance(reveweb: Reveweb, asked: argparse.Namespace) -> None:
    print(reveweb.account()["balance"])


def _show(image: Image, output: str | None) -> None:
    if output:
        print(image.save(output))
    else:
        print(image.url or image.status)


if __name__ == "__main__":
    sys.exit(main())
