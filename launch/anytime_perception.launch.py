"""
Start the perception node.

ros2 launch anytime_perception anytime_perception.launch.py model:=FILE
"""

from anytime_perception.ros.large_images import large_images
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

# Parameters of the node that are arguments, too, and their types (None: as YAML has it). Those
# that are not given are left to params_file.
PARAMETERS = {'model': str, 'device': str, 'image_transport': str, 'budget_ms': None,
              'autostart': bool, 'use_sim_time': bool}
ARGUMENTS = {
    'model': ('', 'Path of the model file.'),
    'device': ('', 'auto, cpu, cuda or cuda:N.'),
    'image': ('image', 'Topic of the camera images.'),
    'speed': ('speed', "Topic of the robot's speed (TwistStamped), for speed_budgets."),
    'odometry': ('odometry', 'The same, where it is Odometry.'),
    'image_transport': ('', 'raw, compressed or match.'),
    'budget_ms': ('', 'How long an image may be refined, in ms from its arrival; '
                      '.inf: until complete.'),
    'name': ('anytime_perception', 'Name of the node.'),
    'namespace': ('', 'Namespace of the node.'),
    'autostart': ('', 'true or false: configure and activate at start, without a lifecycle '
                      'manager.'),
    'use_sim_time': ('', 'true or false: take the time from /clock, as of a recording.'),
    'params_file': (PathJoinSubstitution([FindPackageShare('anytime_perception'), 'config',
                                          'perception.yaml']),
                    'YAML file of parameters. The arguments '
                    f'{", ".join(PARAMETERS)} win over it where they are given.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
    'large_images': ('true', 'Give Fast DDS a shared-memory segment that camera images fit in, '
                             'unless the environment names a profile or transports.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the description that `ros2 launch` runs."""
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=text)
          for name, (default, text) in ARGUMENTS.items()),
        OpaqueFunction(function=perception_node)])


def perception_node(context: LaunchContext) -> list[LifecycleNode]:
    """Return the node, once it is known which arguments are given."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    given = {name: ParameterValue(value[name], value_type=kind)
             for name, kind in PARAMETERS.items() if value[name].perform(context)}
    fit = IfCondition(value['large_images']).evaluate(context)
    return [LifecycleNode(
        package='anytime_perception', executable='perception_node', name=value['name'],
        namespace=value['namespace'], output='screen', emulate_tty=True,
        # For this process only: what else is launched keeps its environment.
        additional_env=large_images(context.environment) if fit else {},
        parameters=[value['params_file'], *([given] if given else [])],
        remappings=[(topic, value[topic]) for topic in ('image', 'speed', 'odometry')],
        arguments=['--ros-args', '--log-level', value['log_level']])]
