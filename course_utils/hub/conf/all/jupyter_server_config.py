# Servers of a class on one machine share its network. Kernels talk through sockets in the server's own /tmp, which
# nobody else can see; on TCP ports every local process could listen to what a kernel prints.
c = get_config()
c.ConnectionFileMixin.transport = "ipc"
# Who has done nothing for two hours has no kernel any more, and after an hour more no server: memory is for the others.
c.MappingKernelManager.cull_idle_timeout = 7200
c.ServerApp.shutdown_no_activity_timeout = 3600
