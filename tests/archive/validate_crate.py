"""Run by the Python that has roc-validator: validate crates, without a network.

The JSON-LD context that the metadata name comes with the package rocrate; nothing else is loaded.
Prints for each crate a line of JSON: the issues that it finds, and how much it has looked at.
"""

import io
import json
import sys
import urllib.error
from importlib import resources

import rdflib.parser
import requests
from rocrate_validator import models, services

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class _Response(io.BytesIO):
    def __init__(self, url, content):
        super().__init__(content)
        self.url = url
        self.headers = {"Content-Type": "application/ld+json"}

    def geturl(self):
        return self.url

    def info(self):
        return self.headers


def served(request):
    url = request if isinstance(request, str) else request.full_url
    if url != CONTEXT:
        raise urllib.error.URLError(f"{url} is not asked for in a test")
    return _Response(url, (resources.files("rocrate") / "data" / "ro-crate.jsonld").read_bytes())


def requested(_session, _method, url, **_):
    response = requests.Response()
    content = served(url)
    response.raw, response.status_code, response.url = content, 200, url
    response.headers["Content-Type"] = "application/ld+json"
    return response


rdflib.parser._urlopen = served
requests.Session.request = requested
severity, *crates = sys.argv[1:]
for crate in crates:
    found = services.validate(
        services.ValidationSettings(
            rocrate_uri=crate,
            profile_identifier="process-run-crate-0.5",
            requirement_severity=models.Severity[severity],
            no_cache=True,
        )
    )
    issues = [
        f"{issue.severity.name} {issue.check.identifier}: {issue.message}"
        for issue in found.get_issues()
    ]
    print(json.dumps({"issues": issues, "n_checked": len([*found.executed_checks])}))
