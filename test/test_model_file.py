"""The model file keeps everything, says what is wrong with it, and never runs code."""

import dataclasses
import json
import math
import os
import pickle

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model_file import load, Measured, Model, ModelFileError, save
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch


def make_model(sequence=True):
    torch.manual_seed(0)
    networks = [AnytimeNetwork(n, 2, 3, input_size=8) for n in ((1, 2) if sequence else (2,))]
    network = (AnytimeSequence(networks) if sequence else networks[0]).eval()
    exits = len(network.exits)
    preprocessing = Preprocessing(8, torch.rand(3, 8, 8) * 255, 128.0)
    return Model(network, ('cat', 'dog', 'eel'), preprocessing, Measured(
        'toy', 7, tuple(np.linspace(0.5, 0.1, exits)), (0.1,) * exits), {'epochs': 3},
        tuple(np.linspace(1, 0.5, exits)))


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp('models') / 'good.safetensors'
    save(path, make_model())
    return path


@pytest.mark.parametrize('sequence', [False, True])
def test_what_is_saved_is_loaded(tmp_path, sequence):
    model = make_model(sequence)
    save(tmp_path / 'deep' / 'm.safetensors', model)
    loaded = load(tmp_path / 'deep' / 'm.safetensors')
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    with torch.inference_mode():
        for ours, theirs in zip(model.network(model.preprocessing(image)),
                                loaded.network(loaded.preprocessing(image))):
            assert torch.allclose(ours, theirs, atol=1e-6)
    assert (loaded.class_ids, loaded.measured, loaded.recipe, loaded.carry) == (
        model.class_ids, model.measured, model.recipe, model.carry)
    assert loaded.name == 'm.safetensors' and len(loaded.sha256) == 64
    assert not loaded.network.training


@pytest.mark.parametrize('carry', [(1.0,), (1.0,) * 5 + (-0.1,), (1.0,) * 5 + (math.nan,)])
def test_what_is_carried_fits_the_exits(carry):
    with pytest.raises(ValueError, match='carry'):
        dataclasses.replace(make_model(sequence=False), carry=carry)


def test_a_network_that_cameras_have_no_images_for_is_no_model():
    with pytest.raises(ValueError, match='images of 1 channels'):
        Model.bare(AnytimeNetwork(1, 2, 3, input_size=8, in_channels=1))


def expect(path, *texts):
    with pytest.raises(ModelFileError) as caught:
        load(path)
    for text in (str(path), *texts):
        assert text in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    expect(tmp_path / 'none', 'No such file')


def test_a_path_of_nobody_is_an_error_of_the_file():
    with pytest.raises(ModelFileError, match='~nosuchuser/model'):
        load('~nosuchuser/model')


def test_a_folder_is_no_model(tmp_path):
    expect(tmp_path, 'directory')


def test_a_foreign_file_is_named(tmp_path):
    (tmp_path / 'x').write_text('hello, I am a text file')
    expect(tmp_path / 'x', 'not a model file')


def test_a_pickle_is_not_run(tmp_path):
    class Bomb:

        def __reduce__(self):
            return os.system, (f'touch {tmp_path}/ran',)

    (tmp_path / 'x').write_bytes(pickle.dumps(Bomb()))
    expect(tmp_path / 'x')
    torch.save(Bomb(), tmp_path / 'y')
    expect(tmp_path / 'y')
    assert not (tmp_path / 'ran').exists()


def test_another_safetensors_file_is_told_apart(tmp_path):
    save_file({'weight': torch.zeros(3)}, tmp_path / 'x')
    expect(tmp_path / 'x', 'not one of anytime_perception')


def metadata_of(path):
    from safetensors import safe_open
    with safe_open(path, framework='pt') as file:
        return file.metadata()


def change_header(good, path, change):
    header = json.loads(metadata_of(good)['anytime_perception'])
    change(header)
    save_file(load_file(good), path, {'anytime_perception': json.dumps(header)})


@pytest.mark.parametrize('change, text', [
    (lambda h: h.update(version=99), 'version 99'),
    (lambda h: h['networks'][0].update(skips=[1]), 'its network has skips, which this software'),
    (lambda h: h['networks'][0].update(channels=4), 'has shape'),
    (lambda h: h['networks'][1].update(units_per_block=3), 'names differ'),
    (lambda h: h['networks'][0].update(units_per_block=10**9), 'units_per_block'),
    (lambda h: h['networks'][0].update(units_per_block=[1, 10**9]), 'units_per_block'),
    (lambda h: h['networks'][0].update(units_per_block=[0] * 10**4 + [1]), 'units_per_block'),
    (lambda h: h.update(networks=h['networks'] * 1000), 'units_per_block'),
    (lambda h: h.update(networks=[{'backbone': 'resnet18'}] * 1000), 'units_per_block'),
    (lambda h: h.update(class_ids=['cat']), '1 labels'),
    (lambda h: h['preprocessing'].update(scale=-1.0), 'scale'),
    (lambda h: h['measured'].update(error=[0.5]), 'measurements'),
    (lambda h: h.pop('networks'), 'networks')])
def test_what_contradicts_itself_is_refused(good, tmp_path, change, text):
    change_header(good, tmp_path / 'x', change)
    expect(tmp_path / 'x', text)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(good, tmp_path, value):
    tensors = load_file(good)
    name = next(name for name in tensors if name.endswith('conv1.weight'))
    tensors[name][0, 0, 0, 0] = value
    save_file(tensors, tmp_path / 'x', metadata_of(good))
    expect(tmp_path / 'x', name.removeprefix('network.'), 'infinite')


@given(cut=st.floats(0, 1))
@settings(max_examples=30)
def test_a_truncated_file_is_refused(good, tmp_path_factory, cut):
    data = good.read_bytes()
    path = tmp_path_factory.mktemp('cut') / 'x'
    path.write_bytes(data[:int(cut * (len(data) - 1))])
    expect(path)


@given(position=st.integers(0, 5000), value=st.integers(0, 255))
@settings(max_examples=150)
def test_a_damaged_header_never_raises_anything_else(good, tmp_path_factory, position, value):
    data = bytearray(good.read_bytes())
    data[position] = value
    path = tmp_path_factory.mktemp('damaged') / 'x'
    path.write_bytes(data)
    try:
        load(path)
    except ModelFileError as error:
        assert str(path) in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner,
                                                                max_size=4), max_leaves=6)


@given(data=st.data(), value=JSON)
@settings(max_examples=200)
def test_any_value_anywhere_in_the_header_is_taken_or_refused(good, tmp_path_factory, data, value):
    def replace_one(header):
        within = header
        while True:
            keys = range(len(within)) if isinstance(within, list) else sorted(within)
            key = data.draw(st.sampled_from(list(keys)))
            if not isinstance(within[key], (dict, list)) or not within[key] or data.draw(
                    st.booleans()):
                within[key] = value
                return
            within = within[key]

    path = tmp_path_factory.mktemp('odd') / 'x'
    change_header(good, path, replace_one)
    try:
        loaded = load(path)
    except ModelFileError as error:
        assert str(path) in str(error)
    else:
        with torch.inference_mode():
            answers = loaded.network(loaded.preprocessing(np.zeros((9, 9, 3), np.uint8)))
        assert len(answers) == len(loaded.network.exits)


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_other_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp('bytes') / 'x'
    path.write_bytes(content)
    expect(path)


@pytest.mark.parametrize('change', [
    lambda h: h.update(networks=[]), lambda h: h['networks'][0].update(input_size=10**400),
    lambda h: h['networks'][0].update(units_per_block='many'), lambda h: h.update(networks=None),
    lambda h: h['measured'].update(error=['a lot'] * 6), lambda h: h.update(recipe=3)])
def test_nonsense_in_the_header_is_damage(good, tmp_path, change):
    change_header(good, tmp_path / 'x', change)
    expect(tmp_path / 'x')


def test_a_loaded_network_does_not_change_with_its_file(good, tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(good.read_bytes())
    loaded = load(path)
    before = {name: value.clone() for name, value in loaded.network.state_dict().items()}
    with open(path, 'r+b') as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(path.stat().st_size // 2))
    assert all(torch.equal(before[name], value)
               for name, value in loaded.network.state_dict().items())


def test_a_failing_write_keeps_the_old_file(tmp_path):
    path = tmp_path / 'm'
    save(path, make_model())
    before = path.read_bytes()
    model = make_model()
    model.recipe['unwritable'] = object()
    with pytest.raises(TypeError):
        save(path, model)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['m']
