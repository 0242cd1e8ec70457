"""A short record of the images of a data set, so that it is noticed when they change."""

import hashlib

from anytime_training.data.image_set import Dataset, ImageSet


def fingerprint(dataset: Dataset) -> dict:
    """
    Return the images of each class, {'train': {class: count}, 'test': …}, and a hash of all.

    The hash is over pixels and labels, and takes about a second for each gigabyte.
    """
    digest = hashlib.sha256()
    for part in (dataset.train, dataset.test):
        digest.update(part.labels.numpy().data)
        for images in part.images.split(4096):
            digest.update(images.contiguous().numpy().data)
    return {'train': _counts(dataset.train, dataset.class_ids),
            'test': _counts(dataset.test, dataset.class_ids), 'sha256': digest.hexdigest()}


def _counts(images: ImageSet, class_ids: tuple[str, ...]) -> dict[str, int]:
    counts = images.labels.bincount(minlength=len(class_ids)).tolist()
    return dict(zip(class_ids, counts))


def difference(before: dict, now: dict) -> str:
    """Return how fingerprint `now` differs from `before`, for people; '' if it does not."""
    if before == now:
        return ''
    missing = [name for name in before['train'] if name not in now['train']]
    added = [name for name in now['train'] if name not in before['train']]
    if missing or added:
        return '; '.join(f'{text} {", ".join(names)}' for text, names in (
            ('there are no more images of', missing), ('there are new classes:', added)) if names)
    for part in ('train', 'test'):
        for name, count in now[part].items():
            if count != before[part][name]:
                return f'{name} has {count} {part} images, not {before[part][name]}'
    return 'there are as many images of each class, but other ones'


def record(name: str, known: dict) -> dict[str, str]:
    """Return what a model's recipe says of the data set `name` with the fingerprint `known`."""
    return {'data_name': name, 'data_sha256': known['sha256']}


def other_images(recipe: dict, dataset: str, now: dict[str, str]) -> str:
    """
    Return how the images that a model with `recipe` learned from differ from those of today.

    `dataset` is the kind of the latter, as in a recipe, and `now` their `record`. It returns '' if
    the images are the same or have another name, or if the recipe is too old to say.
    """
    learned = {'dataset': dataset, 'data_name': now['data_name']}
    sha256 = recipe.get('data_sha256', now['data_sha256'])
    if sha256 == now['data_sha256'] or any(recipe.get(key) != learned[key] for key in learned):
        return ''
    return (f'the images of {now["data_name"]} that it learned from have the SHA-256 {sha256}, '
            f'those of today {now["data_sha256"]}')
