c = get_config()
c.ConnectionFileMixin.transport = "ipc"  # as on students' servers: nobody listens to what a kernel prints
# Not a login shell: /etc/profile would set another PATH, and `course` and `nbgrader` would not be found in a terminal.
c.ServerApp.terminado_settings = {"shell_command": ["bash"]}
