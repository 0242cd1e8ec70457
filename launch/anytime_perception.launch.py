"""
Start the perception node.

ros2 launch anytime_perception anytime_perception.launch.py model:=FILE
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    'model': ('', 'Path of the model file.'),
    'device': ('auto', 'auto, cpu, cuda or cuda:N.'),
    'image': ('image', 'Topic of the camera images.'),
    'image_transport': ('raw', 'raw or compressed.'),
    'budget_ms': ('.inf', 'How long an image may be refined, in ms from its arrival; '
                          '.inf: until complete.'),
    'name': ('anytime_perception', 'Name of the node.'),
    'namespace': ('', 'Namespace of the node.'),
    'autostart': ('true', 'Configure and activate at start, without a lifecycle manager.'),
    'params_file': (PathJoinSubstitution([FindPackageShare('anytime_perception'), 'config',
                                          'perception.yaml']),
                    'YAML file of parameters; the arguments above win over it.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
    'large_images': ('true', 'Give Fast DDS a shared-memory segment that camera images fit in.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the description that `ros2 launch` runs."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    profile = PathJoinSubstitution(
        [FindPackageShare('anytime_perception'), 'config', 'fastdds.xml'])
    large_images = IfCondition(value['large_images'])
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=text)
          for name, (default, text) in ARGUMENTS.items()),
        SetEnvironmentVariable('FASTRTPS_DEFAULT_PROFILES_FILE', profile, condition=large_images),
        SetEnvironmentVariable('FASTDDS_DEFAULT_PROFILES_FILE', profile, condition=large_images),
        # Memory for images is kept instead of being mapped anew for each.
        SetEnvironmentVariable('MALLOC_MMAP_MAX_', '0', condition=large_images),
        SetEnvironmentVariable('MALLOC_TRIM_THRESHOLD_', '4000000000', condition=large_images),
        SetEnvironmentVariable('MALLOC_TOP_PAD_', '67108864', condition=large_images),
        LifecycleNode(
            package='anytime_perception', executable='perception_node', name=value['name'],
            namespace=value['namespace'], output='screen', emulate_tty=True,
            parameters=[value['params_file'], {
                'model': ParameterValue(value['model'], value_type=str),
                'device': ParameterValue(value['device'], value_type=str),
                'image_transport': ParameterValue(value['image_transport'], value_type=str),
                'budget_ms': ParameterValue(value['budget_ms'], value_type=None),
                'autostart': ParameterValue(value['autostart'], value_type=bool),
            }],
            remappings=[('image', value['image'])],
            arguments=['--ros-args', '--log-level', value['log_level']]),
    ])
