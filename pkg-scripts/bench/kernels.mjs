// How fast the look-up kernels run alone, on every engine that runs the command.
