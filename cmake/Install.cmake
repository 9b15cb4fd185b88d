# `cmake --install` puts the program on a PATH: the libraries it needs from the wheels go beside it.
include(GNUInstallDirs)
install(TARGETS genvinci RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS genvinci_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/genvinci)
