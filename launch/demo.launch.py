"""
Start camera, perception node and planner.

ros2 launch anytime_perception demo.launch.py model:=FILE images:=FOLDER
"""

from anytime_perception.ros.large_images import large_images
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    'model': (None, 'Path of the model file.'),
    'images': (None, 'Folder of class folders of pictures, a video, or the number of a webcam.'),
    'device': ('', 'auto, cpu, cuda or cuda:N.'),
    'rate': ('15.0', 'Camera frames per second.'),
    'seconds': ('30.0', 'How long the planner plays; everything ends with it.'),
    'output': ('', "File for the planner's summary, as JSON."),
}


def generate_launch_description() -> LaunchDescription:
    """Return the description that `ros2 launch` runs."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    perception = PathJoinSubstitution(
        [FindPackageShare('anytime_perception'), 'launch', 'anytime_perception.launch.py'])
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=text)
          for name, (default, text) in ARGUMENTS.items()),
        IncludeLaunchDescription(perception, launch_arguments={
            'model': value['model'], 'device': value['device']}.items()),
        OpaqueFunction(function=camera),
        Node(package='anytime_perception', executable='planner', name='planner', output='screen',
             emulate_tty=True, on_exit=Shutdown(), parameters=[{
                 'seconds': ParameterValue(value['seconds'], value_type=float),
                 'output': ParameterValue(value['output'], value_type=str)}]),
    ])


def camera(context: LaunchContext) -> list[Node]:
    """Return the camera, once the environment is known that it is started in."""
    return [Node(
        package='anytime_perception', executable='camera', name='camera', output='screen',
        additional_env=large_images(context.environment), parameters=[{
            'images': ParameterValue(LaunchConfiguration('images'), value_type=str),
            'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float)}])]
