"""For the mended baseline only: check a JSON schema once, not at each action's answer. Changes no answer.

Rasa 3.6 calls `jsonschema.validate` for every answer of an action, which first checks the schema itself, a constant.
"""

import jsonschema
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for

_checked = []


def validate(instance, schema, cls=None, *args, **kwargs):
    cls = cls or validator_for(schema)
    if schema not in _checked:
        cls.check_schema(schema)
        _checked.append(schema)
    error = best_match(cls(schema, *args, **kwargs).iter_errors(instance))
    if error is not None:
        raise error


jsonschema.validate = validate
