import {
  IconBooks,
  IconChartBar,
  IconColumns,
  IconEyeSearch,
  type IconProps,
  IconSparkles,
  IconStopwatch,
} from "@tabler/icons-react";
import type { ComponentType } from "react";

export interface PageEntry {
  /** Of the route, below /ui/. */
  path: string;
  /** Where the navigation leads. */
  to: string;
  label: string;
  icon: ComponentType<IconProps>;
  load: () => Promise<{ Component: ComponentType }>;
}

/** The navigation's entries, each a folder in pages/. */
export const pages: readonly PageEntry[] = [
  {
    ...{ path: "new", to: "/new", label: "New", icon: IconSparkles },
    load: async () => ({ Component: (await import("./pages/new/new-page.js")).NewPage }),
  },
  {
    ...{ path: "explore/:id?", to: "/explore", label: "Explore", icon: IconEyeSearch },
    load: async () => ({ Component: (await import("./pages/explore/explore-page.js")).ExplorePage }),
  },
  {
    ...{ path: "compare", to: "/compare", label: "Compare", icon: IconColumns },
    load: async () => ({ Component: (await import("./pages/compare/compare-page.js")).ComparePage }),
  },
  {
    ...{ path: "importance", to: "/importance", label: "Importance", icon: IconChartBar },
    load: async () => ({ Component: (await import("./pages/importance/importance-page.js")).ImportancePage }),
  },
  {
    ...{ path: "performance", to: "/performance", label: "Performance", icon: IconStopwatch },
    load: async () => ({ Component: (await import("./pages/performance/performance-page.js")).PerformancePage }),
  },
  {
    ...{ path: "library", to: "/library", label: "Library", icon: IconBooks },
    load: async () => ({ Component: (await import("./pages/library/library-page.js")).LibraryPage }),
  },
];
