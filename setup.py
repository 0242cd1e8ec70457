"""The same Python code for a workstation without ROS 2; on a robot CMakeLists.txt installs it."""

from setuptools import find_packages, setup

setup(
    name='anytime_perception',
    version='0.1.0',
    description='Image classification that answers at once and refines its answer until stopped',
    author='anytime_perception maintainers',
    author_email='maintainers@anytime-perception.example.org',
    license='Apache-2.0',
    packages=find_packages('.', include=['anytime_perception*'])
    + find_packages('training', include=['anytime_training*']),
    package_dir={'anytime_training': 'training/anytime_training'},
    package_data={'': ['py.typed', *(f'**/*.{kind}' for kind in ('csv', 'json', 'md'))]},
    python_requires='>=3.10',
    install_requires=[
        'torch>=2.4',
        'numpy',
        'opencv-python-headless>=4.8,<5',
        'safetensors',
        'tqdm',
    ],
    extras_require={
        'train': ['torchvision', 'matplotlib', 'scikit-learn', 'scipy', 'pillow'],
        'bag': ['rosbags>=0.10'],
        'openvino': ['openvino>=2025.0'],
        'test': ['pytest>=7', 'hypothesis', 'flake8', 'mypy', 'pydocstyle'],
    },
    entry_points={'console_scripts': ['anytime = anytime_training.cli:main']},
)
