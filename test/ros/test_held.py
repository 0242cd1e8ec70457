"""Hysteresis on the robot: a held answer is what every topic, service and action gives."""

from anytime_perception import engine, model_file
from anytime_perception.action import Classify
from anytime_perception.msg import Refinement
from anytime_perception.srv import Preempt
import pytest
from served import CLASS_IDS, finals, image_message, NAME, send, wait_for
from test_classify import Goals


@pytest.fixture
def doubted(model_path):
    """Return the message of an image about which the network changes its mind, and its answers."""
    with engine.AnytimeEngine(model_file.load(model_path)) as reference:
        for number in range(20):
            message, pixels = image_message(stamp=number)
            answers = list(reference.refine(pixels))
            if answers[-1].class_index != answers[0].class_index:
                return message, answers
    pytest.fail('the network never changes its mind')


def test_a_held_answer_comes_first_with_its_own_confidence(perception, client, doubted):
    perception(hysteresis=float('inf'))
    heard = client.listen(Refinement, f'{NAME}/refinements')
    image, expected = doubted
    send(client, image)
    wait_for(lambda: finals(heard))
    for message, refinement in zip(heard, expected, strict=True):
        likely = dict(zip(CLASS_IDS, refinement.probabilities))
        assert message.class_ids[0] == heard[0].class_ids[0]
        assert len(set(message.class_ids)) == len(message.class_ids)
        assert message.confidence == pytest.approx(likely[message.class_ids[0]], abs=1e-5)
        assert message.scores == pytest.approx([likely[name] for name in message.class_ids],
                                               abs=1e-5)
        assert list(message.scores[1:]) == sorted(message.scores[1:], reverse=True)


def test_a_held_answer_is_what_preempt_and_classify_return(perception, client, doubted):
    perception(hysteresis=float('inf'))
    image, expected = doubted
    held = CLASS_IDS[expected[0].class_index]
    _, result, _ = Goals(client).ask(Classify.Goal(image=image, budget_ms=float('inf')))
    assert result.refinement.status == Refinement.COMPLETE
    assert result.refinement.class_ids[0] == held
    heard = client.listen(Refinement, f'{NAME}/refinements')
    send(client, image)
    wait_for(lambda: finals(heard))
    response = client.call(Preempt, f'{NAME}/preempt', Preempt.Request())
    assert response.refinement == finals(heard)[-1]
    assert response.refinement.class_ids[0] == held


def test_a_held_answer_is_no_change(perception, client, doubted):
    perception(hysteresis=float('inf'), publish='change')
    heard = client.listen(Refinement, f'{NAME}/refinements')
    image, expected = doubted
    send(client, image)
    wait_for(lambda: finals(heard))
    assert [message.exit_index for message in heard] == [0, len(expected) - 1]
