"""The public calls answer what they answered when the record was made, but for rounding."""

import pytest

from tests.regression import behaviour


@pytest.fixture(scope="module")
def record():
    return behaviour.load_record()


@pytest.mark.parametrize("name", behaviour.TOPICS)
def test_answers_are_those_of_the_record(name, record):
    verdicts = behaviour.compare_topic(name, record[name], behaviour.collect(name))
    assert not [
        f"{verdict}: {key}"
        for key, verdict in verdicts.items()
        if verdict in ("DIFFERENT", "missing")
    ]


def test_every_topic_of_the_record_is_still_asked_for(record):
    assert record.keys() == behaviour.TOPICS.keys()
