# A process of the machine that builds it; on any model of its processor, so that the bytes do not
# depend on which one that is.
set(JL_PORT_BARE_METAL OFF)
set(JL_PORT_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
set(JL_PORT_ZIG_FLAGS "-mcpu=baseline")
set(JL_PORT_DEFINITIONS _DEFAULT_SOURCE=1 _XOPEN_SOURCE=700)
