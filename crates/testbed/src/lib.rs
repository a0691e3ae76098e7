//! Where real nodes run: loopback, network namespaces; links and faults for real
